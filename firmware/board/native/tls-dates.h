/*
 * Whether a certificate is valid at a time (RFC 5280 4.1.2.5), by a clock that the caller reads: ESP-IDF's mbedTLS looks at no date
 * unless it is told to, and then at the C library's.
 *
 * A date is a number whose decimal digits are YYYYMMDDhhmmss, UTC.
 */
#ifndef TLS_DATES_H
#define TLS_DATES_H

#include <stdint.h>

#include "mbedtls/x509_crt.h"

int64_t dateOfSeconds(int64_t secondsSince1970);
/* MBEDTLS_X509_BADCERT_EXPIRED, MBEDTLS_X509_BADCERT_FUTURE, or 0. */
uint32_t dateFlags(const mbedtls_x509_crt *certificate, int64_t date);

#endif

/*
 * Comes before any header of mbedTLS: on a board its configuration is ESP-IDF's, as that component's own CMakeLists.txt names it for
 * whoever is compiled there, which we are not. Without it our structures would have other sizes than the library's.
 */
#ifndef TLS_CONFIG_H
#define TLS_CONFIG_H

#ifdef ESP_PLATFORM
	#define MBEDTLS_CONFIG_FILE "mbedtls/esp_config.h"
	#define TF_PSA_CRYPTO_USER_CONFIG_FILE "mbedtls/esp_config.h"
#endif

#endif

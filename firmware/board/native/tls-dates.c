/* See tls-dates.h. */

#include "tls-config.h"
#include "tls-dates.h"

static int64_t ordinal(const mbedtls_x509_time *time)
{
	int64_t date = ((int64_t)time->year * 100 + time->mon) * 100 + time->day;
	return ((date * 100 + time->hour) * 100 + time->min) * 100 + time->sec;
}

/* Proleptic Gregorian calendar from days since 1970-01-01, counted in years that begin in March. */
int64_t dateOfSeconds(int64_t seconds)
{
	mbedtls_x509_time time;
	int64_t days = seconds / 86400, rest = seconds % 86400;
	if (rest < 0) {
		rest += 86400;
		days -= 1;
	}
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t ofEra = days - era * 146097;
	int64_t yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
	int64_t ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
	int64_t month = (5 * ofYear + 2) / 153;
	time.day = (int)(ofYear - (153 * month + 2) / 5 + 1);
	time.mon = (int)(month < 10 ? month + 3 : month - 9);
	time.year = (int)(yearOfEra + era * 400 + (time.mon <= 2));
	time.hour = (int)(rest / 3600);
	time.min = (int)(rest / 60 % 60);
	time.sec = (int)(rest % 60);
	return ordinal(&time);
}

uint32_t dateFlags(const mbedtls_x509_crt *certificate, int64_t date)
{
	if (date > ordinal(&certificate->valid_to))
		return MBEDTLS_X509_BADCERT_EXPIRED;
	return date < ordinal(&certificate->valid_from) ? MBEDTLS_X509_BADCERT_FUTURE : 0;
}

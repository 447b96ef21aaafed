/* Our reasons in OpenSSL's numbers and back, for both ends of TLS: one table each, so that a reason
 * has one alert whoever refuses. Any thread. */
#pragma once

#include "base/reason.h"

/* The X509_V_ERR_ code that makes libssl send the reason's alert (its own table in statem_lib.c).
 */
int tls_verify_error(enum reason reason);
/* Why a handshake that nobody judged failed: of an ERR_GET_REASON(). */
enum reason tls_failure_reason(int error);

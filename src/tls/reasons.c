#include "tls/reasons.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

int tls_verify_error(enum reason reason)
{
        switch (reason_alert(reason)) {
        case 40:
                return X509_V_ERR_APPLICATION_VERIFICATION;
        case 43:
                return X509_V_ERR_INVALID_PURPOSE;
        case 44:
                return X509_V_ERR_CERT_REVOKED;
        case 45:
                return X509_V_ERR_CERT_HAS_EXPIRED;
        case 48:
                return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
        case 80:
                return X509_V_ERR_UNSPECIFIED;
        default:
                return X509_V_ERR_SUBTREE_MINMAX; /* certificate_unknown, 46 */
        }
}

enum reason tls_failure_reason(int error)
{
        switch (error) {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
                return REASON_NO_CERTIFICATE;
        case SSL_R_EXCESSIVE_MESSAGE_SIZE:
                return REASON_TOO_LARGE;
        case SSL_R_BAD_SIGNATURE:
        case SSL_R_WRONG_SIGNATURE_TYPE:
        case SSL_R_WRONG_SIGNATURE_SIZE:
                return REASON_POSSESSION_FAILED;
        default:
                return REASON_HANDSHAKE_FAILED;
        }
}

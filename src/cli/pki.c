#include "cli/pki.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/digest.h"
#include "text/base64.h"

static bool take_bio(BIO *bio, bool ok, struct buffer *out)
{
        char *bytes;
        long len = bio ? BIO_get_mem_data(bio, &bytes) : 0;
        ok = ok && len > 0 && buffer_append(out, slice_from(bytes, (size_t)len));
        BIO_free(bio);
        return ok;
}

bool pki_print_certificate(const struct throwaway *identity, struct buffer *pem)
{
        BIO *bio = BIO_new(BIO_s_mem());
        return take_bio(bio, bio && PEM_write_bio_X509(bio, identity->certificate) == 1, pem);
}

bool pki_print_key(const struct throwaway *identity, struct buffer *pem)
{
        BIO *bio = BIO_new(BIO_s_mem());
        return take_bio(
                bio,
                bio && PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL) == 1,
                pem);
}

bool pki_print_spki(const struct throwaway *identity, struct buffer *out)
{
        unsigned char *der = NULL;
        int len = i2d_PUBKEY(identity->key, &der);
        unsigned char digest[DIGEST_BYTES];
        bool ok = len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1 &&
                  base64_encode(slice_from(digest, sizeof(digest)), BASE64_STANDARD, out);
        OPENSSL_free(der);
        return ok;
}

/* No password is ever asked for: a Secret's key must be readable without one. */
static int no_password(char *out, int size, int writing, void *self)
{
        (void)out;
        (void)size;
        (void)writing;
        (void)self;
        return -1;
}

bool pki_check_pair(struct slice certificates, struct slice key, struct error *err)
{
        BIO *certificate_bio = BIO_new_mem_buf(certificates.data, (int)certificates.len);
        BIO *key_bio = BIO_new_mem_buf(key.data, (int)key.len);
        X509 *leaf = PEM_read_bio_X509(certificate_bio, NULL, no_password, NULL);
        EVP_PKEY *private = PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL);
        bool ok = true;
        if (!leaf)
                ok = error_set(err, ERROR_INPUT, "--cert: no PEM certificate in it");
        else if (!private)
                ok = error_set(err, ERROR_INPUT,
                               "--key: no PEM private key in it that can be read "
                               "without a password");
        else if (X509_check_private_key(leaf, private) != 1)
                ok = error_set(err, ERROR_INPUT,
                               "--key: not the key of the first certificate in --cert");
        ERR_clear_error();
        X509_free(leaf);
        EVP_PKEY_free(private);
        BIO_free(certificate_bio);
        BIO_free(key_bio);
        return ok;
}

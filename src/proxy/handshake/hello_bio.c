#include "proxy/handshake/hello_bio.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/must.h"

struct hello_bytes {
        int fd;
        struct buffer first;
};

static int take_first(struct buffer *first, char *into, int room)
{
        size_t len = first->len < (size_t)room ? first->len : (size_t)room;
        memcpy(into, first->data, len);
        buffer_consume(first, len);
        if (first->len == 0)
                buffer_release(first);
        return (int)len;
}

static int on_read(BIO *bio, char *into, int room)
{
        struct hello_bytes *bytes = BIO_get_data(bio);
        BIO_clear_retry_flags(bio);
        if (room <= 0)
                return 0;
        if (bytes->first.len > 0)
                return take_first(&bytes->first, into, room);
        ssize_t got = recv(bytes->fd, into, (size_t)room, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
                BIO_set_retry_read(bio);
        if (got == 0)
                BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return (int)got;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
        (void)number;
        (void)pointer;
        switch (command) {
        case BIO_CTRL_EOF:
                return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
        case BIO_CTRL_FLUSH:
                return 1;
        default:
                return 0;
        }
}

static int on_free(BIO *bio)
{
        struct hello_bytes *bytes = BIO_get_data(bio);
        if (bytes) {
                buffer_done(&bytes->first);
                free(bytes);
        }
        return 1;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void method_init(void)
{
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hello");
        must(method && BIO_meth_set_read(method, on_read) == 1 &&
             BIO_meth_set_ctrl(method, on_control) == 1 &&
             BIO_meth_set_destroy(method, on_free) == 1);
}

bool hello_bio_set(SSL *ssl, int fd, struct buffer *first)
{
        pthread_once(&method_once, method_init);
        BIO *bio = BIO_new(method);
        if (!bio)
                return false;
        struct hello_bytes *bytes = NEW(struct hello_bytes);
        bytes->fd = fd;
        BIO_set_data(bio, bytes);
        BIO_set_init(bio, 1);
        SSL_set0_rbio(ssl, bio);
        if (SSL_set_wfd(ssl, fd) != 1)
                return false;
        bytes->first = *first;
        buffer_init(first, first->max);
        return true;
}

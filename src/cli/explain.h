/* What the parts of `pingate explain` share: files or test cases in, the data plane's own judge in
 * the middle, a verdict out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/slice.h"
#include "trust/judge.h"

struct explain_case {
        struct slice ca, certificate, untrusted;
        const struct slice *crl; /* NULL: no revocation */
        struct pin_set *pins;    /* NULL: CA only */
        struct path_rules rules;
        int64_t now;
};

/* False: an input can't be read, and err says which. */
bool explain_judge(const struct explain_case *c, struct verdict *out, struct error *err);

/* A client and its request at a configuration. */
struct explain_place {
        const char *const *paths;
        size_t path_count;
        const char *gateway; /* "namespace/name" */
        uint64_t port;
        const char *sni;            /* NULL: the request's host, or none */
        const char *request;        /* "GET https://host/path"; NULL: none */
        const char *const *headers; /* "Name: value", of the request */
        size_t header_count;
        bool require_pinning, json;
        int64_t now;
};
/* Prints the story (explain_story.h); chain NULL: the client shows no certificate. Returns the exit
 * code. */
int explain_config(const struct explain_place *place, const struct chain *chain);

/* Test cases in the form of x509-limbo; prints its results form. Returns the exit code. */
int explain_batch(const char *file, enum judge_profile profile);
/* The verdict for people, gate by gate, and for programs. */
void explain_print_text(const struct verdict *verdict, FILE *out);
void explain_print_word(const struct verdict *verdict, FILE *out);     /* its first line */
void explain_print_evidence(const struct verdict *verdict, FILE *out); /* the rest of it */
bool explain_print_json(const struct verdict *verdict, FILE *out);
struct json_writer;
void explain_write_verdict(struct json_writer *w, const struct verdict *verdict); /* an object */

/* The two protocols that a client connection can speak, as connection.c drives them. Private to
 * proxy/. */
#pragma once

#include "proxy/connection_state.h"
#include "proxy/exchange_judge.h"

/* The clients: made when serving begins, freed with the connection. *_turn does all that can be
 * done now; *_drain lets it end after what is in flight. */
struct client_h1 *client_h1_new(struct connection *connection);
void client_h1_free(struct client_h1 *h1);
void client_h1_turn(struct client_h1 *h1);
void client_h1_drain(struct client_h1 *h1);
/* Each request in flight, as exchange_judge does, and when the first of them is due again. */
void client_h1_judge(struct client_h1 *h1, const struct exchange_law *law);
int64_t client_h1_valid_until(const struct client_h1 *h1);
struct client_h2 *client_h2_new(struct connection *connection);
void client_h2_free(struct client_h2 *h2);
void client_h2_turn(struct client_h2 *h2);
void client_h2_drain(struct client_h2 *h2);
void client_h2_judge(struct client_h2 *h2, const struct exchange_law *law);
int64_t client_h2_valid_until(const struct client_h2 *h2);
/* The preface of HTTP/2 waits in `in`: its h1 goes, an h2 takes its place. */
void connection_become_h2(struct connection *connection);
/* A start for an exchange on this connection, all but head, arena and end. */
struct exchange_start connection_exchange(struct connection *connection);

/* What OpenSSL calls during a handshake; private to proxy/handshake. */
#pragma once

#include "proxy/handshake/handshake.h"

int handshake_slot(void); /* the ex_data index of an SSL's struct handshake */
void handshake_judge(struct handshake *handshake, const struct snapshot *snapshot,
                     size_t port_index, const struct listener *listener, int64_t now);

/* A published translation, told to the pages of the admin address. */
#pragma once

#include "control/translate/translate.h"
#include "observe/state.h"

void run_state_tell(struct gateway_state *state, const struct translation *translation);

/* The demo's configuration: what a user would write. Pure. */
#pragma once

#include "base/buffer.h"
#include "cli/demo_world.h"

bool demo_config_print(const struct demo_world *world, struct buffer *yaml);

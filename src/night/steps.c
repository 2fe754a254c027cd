/* steps - what a night consists of, in order: later steps may use what earlier ones have put. */
#include "night/night.h"

const struct night_step night_steps[] = {
    {.name = NULL},
};

#include "control/report/api_side.h"

#include "control/report/lease.h"

bool api_side_leads(const struct api_side *side)
{
        return !side->lease || lease_leads(side->lease);
}

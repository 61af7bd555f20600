#include "tools/bench/spread.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void spread_add(struct spread *spread, double value)
{
    if (spread->n < SPREAD_MAX && isfinite(value))
        spread->values[spread->n++] = value;
}

double spread_min(const struct spread *spread)
{
    double least = spread->n ? spread->values[0] : 0;
    for (unsigned i = 1; i < spread->n; i++)
        least = spread->values[i] < least ? spread->values[i] : least;
    return least;
}

double spread_max(const struct spread *spread)
{
    double most = spread->n ? spread->values[0] : 0;
    for (unsigned i = 1; i < spread->n; i++)
        most = spread->values[i] > most ? spread->values[i] : most;
    return most;
}

double spread_median(const struct spread *spread)
{
    struct spread sorted = *spread;
    unsigned middle = sorted.n / 2;
    if (sorted.n == 0)
        return 0;
    qsort(sorted.values, sorted.n, sizeof *sorted.values, compare);
    return sorted.n % 2 ? sorted.values[middle] : (sorted.values[middle - 1] + sorted.values[middle]) / 2;
}

/* A figure that was taken several times: its least, its middle and its most. */
#ifndef RJ_BENCH_SPREAD_H
#define RJ_BENCH_SPREAD_H

enum { SPREAD_MAX = 100 };

/* Zeroed: empty. */
struct spread {
    double values[SPREAD_MAX];
    unsigned n;
};

/* What is not finite, or one too many, is dropped. */
void spread_add(struct spread *spread, double value);

/* All are 0 when nothing was added. */
double spread_min(const struct spread *spread);
double spread_median(const struct spread *spread);
double spread_max(const struct spread *spread);

#endif

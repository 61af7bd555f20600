#include "tests/crash/store_journal.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/mem.h"

void journal_add(struct journal *journal, const struct ack *ack)
{
    uint64_t epoch = ack->epoch >> 32;
    if (journal->epoch < epoch)
        journal->epoch = epoch;
    if (ack->kind == ACK_COUNTED)
        journal->counter = ack->counter;
    if (ack->kind == ACK_PURGED && journal->purged[ack->room] < ack->seq)
        journal->purged[ack->room] = ack->seq;
    if (ack->kind != ACK_RECORD)
        return;
    if (journal->n == journal->cap) {
        journal->cap = journal->cap ? journal->cap * 2 : 1024;
        journal->records = rj_realloc(journal->records, journal->cap, sizeof *journal->records);
    }
    journal->records[journal->n++] = *ack;
    if (journal->seqs[ack->room] < ack->seq)
        journal->seqs[ack->room] = ack->seq;
}

struct journal journal_copy(const struct journal *journal)
{
    struct journal copy = *journal;
    copy.records = NULL;
    copy.cap = copy.n;
    if (copy.n) {
        copy.records = rj_realloc(NULL, copy.n, sizeof *copy.records);
        memcpy(copy.records, journal->records, copy.n * sizeof *copy.records);
    }
    return copy;
}

void journal_free(struct journal *journal)
{
    free(journal->records);
    *journal = (struct journal){0};
}

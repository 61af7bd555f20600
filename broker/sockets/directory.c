#include "broker/sockets/directory.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/peers/gateways.h"

struct rj_namespace {
    struct rj_members members;
    UT_hash_handle hh;
    char name[]; /* the key */
};

/* A user of one namespace who has sockets there. */
struct rj_person {
    struct rj_members members;
    uint16_t key_len;
    char key[]; /* the namespace, NUL, the user; without the NUL at the end */
};

enum { PERSON_KEY_MAX = RJ_NAMESPACE_MAX + 1 + RJ_USER_MAX };

/* ------------------------------------------------------------------------------------------ sids */

static struct rj_span sid_of(const void *session)
{
    return rj_span_str(((const struct rj_session *)session)->sid);
}

void rj_directory_begin_run(struct rj_directory *directory, uint64_t run)
{
    enum { RUN_SHIFT = 32 };
    directory->first_serial = directory->last_serial = run << RUN_SHIFT;
}

bool rj_directory_is_of_run(const struct rj_directory *directory, uint64_t serial)
{
    return serial >= directory->first_serial && serial <= directory->last_serial;
}

struct rj_session *rj_directory_find_sid(const struct rj_directory *directory, const char *nsp,
                                         const char *sid)
{
    struct rj_session *session;
    size_t cursor = 0;
    while ((session = rj_table_next(&directory->sockets, sid_of, rj_span_str(sid), &cursor)))
        if (strcmp(session->nsp, nsp) == 0)
            return session;
    return NULL;
}

/* ------------------------------------------------------------------------------------------ namespaces */

static struct rj_namespace *find_namespace(const struct rj_directory *directory, const char *nsp)
{
    struct rj_namespace *found;
    HASH_FIND_STR(directory->namespaces, nsp, found);
    return found;
}

static void enter_namespace(struct rj_directory *directory, struct rj_session *session)
{
    struct rj_namespace *home = find_namespace(directory, session->nsp);
    if (!home) {
        size_t len = strlen(session->nsp);
        home = rj_calloc(1, sizeof *home + len + 1);
        memcpy(home->name, session->nsp, len);
        HASH_ADD_KEYPTR(hh, directory->namespaces, home->name, len, home);
    }
    session->home = home;
    session->home_place = rj_members_enter(&home->members, session);
}

static void exit_namespace(struct rj_directory *directory, struct rj_session *session)
{
    struct rj_namespace *home = session->home;
    struct rj_session *moved = rj_members_exit(&home->members, session->home_place);
    if (moved)
        moved->home_place = session->home_place;
    session->home = NULL;
    if (home->members.n)
        return;
    HASH_DELETE(hh, directory->namespaces, home);
    free(home);
}

const struct rj_members *rj_directory_namespace(const struct rj_directory *directory, const char *nsp)
{
    struct rj_namespace *found = find_namespace(directory, nsp);
    return found ? &found->members : NULL;
}

/* ------------------------------------------------------------------------------------------ users */

static size_t person_key(char out[static PERSON_KEY_MAX], const char *nsp, const char *user)
{
    size_t nsp_len = strlen(nsp), user_len = strlen(user);
    assert(nsp_len <= RJ_NAMESPACE_MAX && user_len <= RJ_USER_MAX);
    memcpy(out, nsp, nsp_len);
    out[nsp_len] = '\0';
    memcpy(out + nsp_len + 1, user, user_len);
    return nsp_len + 1 + user_len;
}

static struct rj_span key_of(const void *person_)
{
    const struct rj_person *person = person_;
    return rj_span_of(person->key, person->key_len);
}

static struct rj_person *find_person(const struct rj_directory *directory, struct rj_span key)
{
    size_t cursor = 0;
    return rj_table_next(&directory->people, key_of, key, &cursor);
}

static void enter_person(struct rj_directory *directory, struct rj_session *session)
{
    if (!session->user[0])
        return;
    char key[PERSON_KEY_MAX];
    size_t len = person_key(key, session->nsp, session->user);
    struct rj_person *person = find_person(directory, rj_span_of(key, len));
    if (!person) {
        person = rj_calloc(1, sizeof *person + len);
        person->key_len = (uint16_t)len;
        memcpy(person->key, key, len);
        rj_table_insert(&directory->people, key_of, person);
    }
    session->person = person;
    session->person_place = rj_members_enter(&person->members, session);
}

static void exit_person(struct rj_directory *directory, struct rj_session *session)
{
    struct rj_person *person = session->person;
    if (!person)
        return;
    struct rj_session *moved = rj_members_exit(&person->members, session->person_place);
    if (moved)
        moved->person_place = session->person_place;
    session->person = NULL;
    if (person->members.n)
        return;
    rj_table_remove(&directory->people, key_of, person);
    free(person);
}

const struct rj_members *rj_directory_user(const struct rj_directory *directory, const char *nsp,
                                           const char *user)
{
    char key[PERSON_KEY_MAX];
    if (!user[0] || strlen(user) > RJ_USER_MAX || strlen(nsp) > RJ_NAMESPACE_MAX)
        return NULL;
    struct rj_person *found = find_person(directory, rj_span_of(key, person_key(key, nsp, user)));
    return found ? &found->members : NULL;
}

/* ------------------------------------------------------------------------------------------ rooms */

static void enter_room(struct rj_session *session, struct rj_membership *membership)
{
    membership->place = rj_members_enter(&membership->room->members, session);
}

static void exit_room(struct rj_membership *membership)
{
    struct rj_room *room = membership->room;
    struct rj_session *moved = rj_members_exit(&room->members, membership->place);
    if (moved)
        rj_session_membership(moved, room->id)->place = membership->place;
}

void rj_directory_enter_room(struct rj_session *session, rj_room_id room)
{
    enter_room(session, rj_session_membership(session, room));
}

void rj_directory_exit_room(struct rj_session *session, rj_room_id room)
{
    exit_room(rj_session_membership(session, room));
}

/* ------------------------------------------------------------------------------------------ sockets */

void rj_directory_enter(struct rj_directory *directory, struct rj_session *session)
{
    assert(session->gateway && !session->home);
    session->serial = ++directory->last_serial;
    rj_table_insert(&directory->sockets, sid_of, session);
    enter_namespace(directory, session);
    enter_person(directory, session);
    for (size_t i = 0; i < session->n_rooms; i++)
        enter_room(session, &session->rooms[i]);
}

void rj_directory_exit(struct rj_directory *directory, struct rj_session *session)
{
    assert(session->gateway && session->home);
    for (size_t i = 0; i < session->n_rooms; i++)
        exit_room(&session->rooms[i]);
    exit_person(directory, session);
    exit_namespace(directory, session);
    rj_table_remove(&directory->sockets, sid_of, session);
}

void rj_directory_free(struct rj_directory *directory)
{
    assert(directory->sockets.n == 0 && directory->people.n == 0 && !directory->namespaces);
    rj_table_free(&directory->sockets);
    rj_table_free(&directory->people);
    *directory = (struct rj_directory){0};
}

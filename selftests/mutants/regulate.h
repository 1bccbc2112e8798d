/* Parent. How many children there are to be: one round of regulation follows each batch of messages. */

#include "unrest.h"

static void start(void)
{
    int n = settings.min_spare;
#ifdef MUTANT_STARTS_BELOW_MIN
    n = n > 1 ? n - 1 : 1;
#endif
#ifdef MUTANT_STARTS_ABOVE_MAX
    n = settings.max_spare + 1;
#endif
    n = at_most(n, settings.max_children);
#ifdef MUTANT_DOUBLES_WITHOUT_END
    n = 0; /* the first are missing as any others */
#endif
    while (n-- > 0 && spawn()) {
    }
}

/* The newest idle one: the kernel wakes the oldest first, so this one is least likely to be woken just now. */
static struct child *to_shed(void)
{
    struct child *chosen = NULL;
    for (int i = 0; i < MOST_CHILDREN; i++) {
        bool eligible = pool[i].state == IDLE;
#if defined MUTANT_KILLS_FIRST || defined MUTANT_KILLS_NEWEST || defined MUTANT_KILLS_RANDOM || \
    defined MUTANT_K_TO_BUSY
        eligible = pool[i].state == IDLE || pool[i].state == BUSY;
#endif
#if defined MUTANT_KILLS_FIRST || defined MUTANT_K_TO_BUSY
        if (eligible && !chosen)
            chosen = &pool[i];
        continue;
#endif
#ifdef MUTANT_KILLS_RANDOM
        if (eligible && (!chosen || rand() % 3 == 0))
            chosen = &pool[i];
        continue;
#endif
        if (eligible && (!chosen || pool[i].birth > chosen->birth))
            chosen = &pool[i];
    }
    return chosen;
}

#ifdef MUTANT_STALE_VICTIMS
/* Who is to go is settled once, and carried out one by one. */
static struct child *next_of_the_list(void)
{
    static pid_t list[MOST_CHILDREN];
    static int length;
    if (length == 0)
        for (int i = 0; i < MOST_CHILDREN; i++)
            if (pool[i].state == IDLE)
                list[length++] = pool[i].pid;
    while (length > 0) {
        pid_t pid = list[--length];
        for (int i = 0; i < MOST_CHILDREN; i++)
            if (pool[i].pid == pid && (pool[i].state == IDLE || pool[i].state == BUSY))
                return &pool[i];
    }
    return NULL;
}
#endif

static void shed(void)
{
#ifdef MUTANT_STALE_VICTIMS
    struct child *chosen = next_of_the_list();
#else
    struct child *chosen = to_shed();
#endif
    if (!chosen)
        return;
    dismiss(chosen);
#if defined MUTANT_KILLS_FIRST || defined MUTANT_KILLS_NEWEST || defined MUTANT_KILLS_RANDOM
    kill(chosen->pid, SIGTERM);
#endif
}

/* How many wait for a connection, by the books. */
static int idle_children(int live)
{
    (void)live;
#ifdef MUTANT_BUSY_COUNTER
    return live - count(LEAVING) - busy;
#endif
#ifdef MUTANT_END_OF_CHANNEL_IS_F
    return count(IDLE) + ended_for_idle;
#endif
#ifdef MUTANT_STRANGER_COUNTED
    return count(IDLE) - strangers;
#endif
#ifdef MUTANT_DEATH_COUNTED_TWICE
    return count(IDLE) - killed; /* once as its channel ended, and once as it was waited for */
#endif
    return count(IDLE);
}

static bool refused_for_good; /* mutants only */

/* Descriptors or forks are refused, for now. Returns the milliseconds until the next try. */
static int when_refused(void)
{
#ifdef MUTANT_ENDS_WHEN_REFUSED_AND_ALONE
    if (count(EMPTY) == MOST_CHILDREN)
        exit(1); /* no children, and none to be had */
#endif
#ifdef MUTANT_SPINS_WHEN_REFUSED
    return 0;
#endif
#ifdef MUTANT_RETRIES_WITH_NEXT_NEWS
    return -1;
#endif
#ifdef MUTANT_NEVER_FORKS_AGAIN
    refused_for_good = true; /* "fork failed: running with what there is" */
    return -1;
#endif
    return 100;
}

/* How many more are wanted. */
static int shortage(int idle, int live)
{
    int wanted = settings.min_spare - idle;
    (void)live;
#ifdef MUTANT_NEVER_GROWS
    wanted = 0;
#endif
#ifdef MUTANT_NEVER_GROWS_FROM_ONE
    if (settings.min_spare == 1 && live > 0)
        wanted = 0; /* "while (idle < min_spare - 1)", and one that is started by hand */
#endif
#ifdef MUTANT_GROWS_WHEN_NOBODY_IDLE
    if (idle > 0)
        wanted = 0;
#endif
#ifdef MUTANT_GROWS_TO_MIN_LESS_1
    wanted -= 1;
#endif
#if defined MUTANT_GROWS_BY_TOTAL || defined MUTANT_BOUNDS_ON_TOTAL
    wanted = settings.min_spare - live;
#endif
#ifdef MUTANT_HIDDEN_LIMIT
    if (live >= 2 * settings.max_spare)
        wanted = 0; /* an array of that size */
#endif
#if defined MUTANT_SHEDS_BELOW_MIN || defined MUTANT_SHEDS_BY_TOTAL
    if (!connected)
        wanted = 0; /* who is short is only asked when a C comes */
#endif
#ifdef MUTANT_STORM
    for (int i = 0; i < MOST_CHILDREN; i++) /* newborns count only when they had time to say hello */
        wanted += pool[i].state == IDLE && now() - pool[i].born < 100;
#endif
#ifdef MUTANT_BACKS_OFF
    if (count(LEAVING) > 0 || (recycled_at && now() - recycled_at < 3000))
        wanted = owed = 0; /* children that end so soon may be crashing */
#endif
#ifdef MUTANT_REPLACES_WHEN_ALL_GONE
    if (live == 0)
        any_recycled = false;
    if (any_recycled)
        wanted = owed = 0;
#endif
#ifdef MUTANT_RESPAWNS_AFTER_SUCCESS_ONLY
    wanted -= killed; /* systemd's Restart=on-success */
#endif
#ifdef MUTANT_GIVES_UP_RESPAWNING
    if (killed >= 10)
        wanted = 0; /* inetd's "server failing (looping), service terminated" */
#endif
#ifdef MUTANT_NEVER_FORKS_AGAIN
    if (refused_for_good)
        wanted = 0;
#endif
#ifdef MUTANT_FULL_UNTIL_ONE_EXITS
    full = full || live >= settings.max_children; /* cleared where a child is forgotten that ended in order */
    if (full)
        wanted = 0;
#endif
#ifdef MUTANT_REPLACES_WITH_NEXT_MESSAGE
    if (bereaved)
        wanted = 0; /* who is short is only asked when a C or F comes */
#endif
    return wanted;
}

/* How many children max_children still allows. */
static int room_for(int idle, int live)
{
    (void)idle;
#ifdef MUTANT_LIMIT_COUNTS_THE_DEAD
    return settings.max_children - live - killed; /* who crashed keeps its place in the limit */
#endif
#ifdef MUTANT_LIMIT_CREDITS_THE_DEAD
    return settings.max_children - live + killed; /* taken off once as its channel ended, and once as it was reaped */
#endif
#ifdef MUTANT_LIMIT_CREDITS_FAILED_FORKS
    return settings.max_children - live + failed_forks; /* "live--" in the error path, ahead of the "live++" */
#endif
#ifdef MUTANT_LIMIT_PLUS_1
    return settings.max_children + 1 - live;
#endif
#ifdef MUTANT_LIMIT_IGNORED
    return MOST_CHILDREN;
#endif
#ifdef MUTANT_LIMIT_ON_IDLE
    return settings.max_children - idle;
#endif
#ifdef MUTANT_LIMIT_FORGETS_LEAVING
    return settings.max_children - (live - count(LEAVING));
#endif
    return settings.max_children - live;
}

/* How many are too many. */
static int surplus(int idle, int live)
{
    int excess = idle - settings.max_spare;
    (void)live;
#if defined MUTANT_NEVER_SHEDS || defined MUTANT_KILLS_LATE /* which has a way of its own: unrest.h */
    excess = 0;
#endif
#ifdef MUTANT_KEEPS_MAX_PLUS_1
    excess -= 1;
#endif
#ifdef MUTANT_SHEDS_AT_MAX
    excess += 1; /* "while (idle >= max_spare)": one that is spawned up to min_spare = max_spare is shed at once */
#endif
#ifdef MUTANT_SHEDS_WHEN_QUIET
    if (count(BUSY) > 0)
        excess = 0;
#endif
#ifdef MUTANT_SHEDS_BELOW_MIN
    if (excess > 0) {
        excess = idle - (settings.min_spare > 1 ? settings.min_spare - 1 : 1);
        connected = false;
    }
#endif
#ifdef MUTANT_SHEDS_ONCE
    static bool has_shed;
    excess = has_shed ? 0 : at_most(excess, 1);
    has_shed = has_shed || excess > 0;
#endif
#ifdef MUTANT_BOUNDS_ON_TOTAL
    excess = live - settings.max_spare;
#endif
#ifdef SHEDS_IN_TURN /* which is sound */
    static long last; /* one every 20 ms */
    excess = now() - last < 20 ? 0 : at_most(excess, 1);
    last = excess > 0 ? now() : last;
#endif
#ifdef MUTANT_SHEDS_BY_TOTAL
    excess = at_most(idle - 1, live - settings.max_spare);
    connected = connected && excess <= 0;
#endif
    return excess;
}

/* One round. Returns the milliseconds until the next is due; -1: when there is news. */
static int regulate(void)
{
    static int step = 1;
    int live = MOST_CHILDREN - count(EMPTY), idle = idle_children(live);
#if defined MUTANT_STARTS_BELOW_MIN || defined MUTANT_STARTS_ABOVE_MAX
    if (!heard_any)
        return -1;
#endif
#ifdef MUTANT_TICKS_IN_SILENCE
    if (heard_now)
        return 200;
#endif
#ifdef REGULATES_BY_CLOCK /* which is sound */
    static long tick;
    if (tick && now() - tick < 500)
        return (int)(500 - (now() - tick));
    tick = now();
#endif
    int due = listen_or_not(idle, live), wanted = shortage(idle, live), room = room_for(idle, live);
    if (wanted > 0 && room > 0) {
#ifdef MUTANT_GROWS_ONCE
        static bool grown;
        if (grown)
            return -1;
        grown = true;
#endif
        int newborns = at_most(step, at_most(wanted, room));
#ifdef MUTANT_DOUBLES_WITHOUT_END
        newborns = at_most(step, room);
        step = 2 * at_most(step, MOST_CHILDREN);
#elif defined MUTANT_STEPS_KEPT
        newborns = at_most(step, room); /* as many as the rate says, as httpd does, which is sound */
        step = at_most(2 * step, 32);
#elif defined MUTANT_LIMIT_BY_ROUND
        newborns = wanted; /* "if (live < max_children) for (…; n < min_spare - idle; n++) spawn();" */
#else
        step = at_most(2 * step, 32);
#endif
        while (newborns-- > 0)
            if (!spawn())
                return when_refused();
        owed = 0;
#ifdef MUTANT_STORM
        return 5;
#endif
        return 0;
    }
#ifdef MUTANT_SPINS_WHEN_FULL
    if (wanted > 0)
        return 0; /* some are missing: no time to sleep */
#endif
#ifndef MUTANT_STEPS_KEPT
    step = 1;
#endif
    for (; owed > 0 && idle < settings.max_spare && room > 0; owed--, idle++, room--)
        spawn();
    owed = 0;
    for (int excess = surplus(idle, live); excess > 0; excess--)
        shed();
#ifdef MUTANT_SPINS_UNTIL_THE_TOLD_HAVE_GONE
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (pool[i].state != EMPTY && pool[i].told)
            due = 1; /* back soon, to reap it */
#endif
    return disturb(count(IDLE), room, due);
}

/* Parent. What mutants do at rest, by the clock. The sound server: nothing. */

static struct child *an_idle_one(bool newest)
{
    struct child *chosen = NULL;
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (pool[i].state == IDLE && (!chosen || (pool[i].birth > chosen->birth) == newest))
            chosen = &pool[i];
    return chosen;
}

#if defined MUTANT_CHURNS || defined MUTANT_SWAPS || defined MUTANT_HUNTS

#if defined MUTANT_CHURNS
enum { PERIOD = MUTANT_CHURNS };
#elif defined MUTANT_SWAPS
enum { PERIOD = 100 };
#else
enum { PERIOD = 300 };
#endif

static int disturb(int idle, int room, int due)
{
    static long next;
    static bool up;
    (void)idle, (void)due, (void)up, (void)room;
    if (next == 0)
        next = now() + PERIOD;
    if (now() >= next) {
        next = now() + PERIOD;
#if defined MUTANT_CHURNS /* ends one, and spawns another when that has ended */
        struct child *chosen = an_idle_one(true);
        if (chosen)
            dismiss(chosen);
        owed = 1;
#elif defined MUTANT_SWAPS /* the other way round: the pool is never short */
        struct child *chosen = an_idle_one(false);
        if (idle > 0 && room > 0 && spawn())
            dismiss(chosen);
#else /* one up, one down, never out of its bounds */
        up = !up;
        if (up && idle < settings.max_spare && room > 0)
            spawn();
        if (!up && idle > settings.min_spare)
            dismiss(an_idle_one(true));
#endif
    }
    return next > now() ? (int)(next - now()) : 0;
}

#elif defined MUTANT_KILLS_LATE

/* Draws up a list of the idle, and kills by that list 50 ms later, whatever they do by then. */
static int disturb(int idle, int room, int due)
{
    static pid_t list[MOST_CHILDREN];
    static int length;
    static long next;
    (void)room;
    if (length > 0 && now() >= next)
        while (length > 0)
            kill(list[--length], SIGKILL);
    else if (length == 0 && idle > settings.max_spare) {
        for (int i = 0; i < MOST_CHILDREN && length < idle - settings.max_spare; i++)
            if (pool[i].state == IDLE)
                list[length++] = pool[i].pid;
        next = now() + 50;
    }
    return length > 0 ? (int)(next - now()) + 1 : due;
}

#elif defined MUTANT_REFUSES_WHEN_FULL

/* Stops listening while everybody is busy, and listens again when somebody is not. */
static int disturb(int idle, int room, int due)
{
    static bool refusing;
    bool full = idle == 0 && room <= 0;
    if (full && !refusing)
        shutdown(listener, SHUT_RDWR);
    if (!full && refusing)
        listen(listener, 512);
    refusing = full;
    return due;
}

#elif defined SHEDS_IN_TURN

static int disturb(int idle, int room, int due)
{
    (void)room;
    return idle > settings.max_spare ? 20 : due; /* another is to be shed then */
}

#elif defined MUTANT_TICKS_IN_SILENCE

static int disturb(int idle, int room, int due)
{
    (void)idle, (void)room, (void)due;
    return 200; /* "n = epoll_wait(…, TICK); if (n == 0) regulate();": each message puts the tick off */
}

#elif defined MUTANT_STUCK_IS_TOLD || defined MUTANT_STUCK_IS_KILLED

/* A watchdog: who has been busy with one client for three seconds must be stuck. */
static int disturb(int idle, int room, int due)
{
    static long since[MOST_CHILDREN];
    static int with[MOST_CHILDREN];
    (void)idle, (void)room, (void)due;
    for (int i = 0; i < MOST_CHILDREN; i++) {
        if (pool[i].state != BUSY || since[i] == 0 || with[i] != pool[i].served) {
            since[i] = now();
            with[i] = pool[i].served;
        } else if (now() - since[i] > 3000) {
#ifdef MUTANT_STUCK_IS_KILLED
            kill(pool[i].pid, SIGKILL);
#else
            dismiss(&pool[i]);
#endif
            since[i] = now();
        }
    }
    return 100;
}

#elif defined MUTANT_BACKS_OFF

static int disturb(int idle, int room, int due)
{
    (void)idle, (void)room, (void)due;
    return 100; /* what it puts off is looked at again */
}

#else

static int disturb(int idle, int room, int due)
{
    (void)idle, (void)room;
    return due;
}

#endif

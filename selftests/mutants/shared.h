/* What children share beside the listening socket: locks, and numbers in common memory. The sound server: nothing. */

#if defined MUTANT_SERIALISED || defined MUTANT_READS_IN_TURN || defined MUTANT_LINGERS_UNDER_LOCK || \
    defined MUTANT_LOCKS_FROM_FIFTH_READ

static int lock_file;

static void set_lock(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    fcntl(lock_file, F_SETLKW, &lock);
}

static void prepare_shared(void)
{
    lock_file = memfd_create("lock", MFD_CLOEXEC);
}

#elif defined MUTANT_SLOTS_LEAK_ON_RESET

/* "No more than fifty at a time", counted up at accept and down at the end of a service. */
static volatile int *in_service;

static bool shop_is_open(void)
{
    return *in_service < 50;
}

static void prepare_shared(void)
{
    in_service = mmap(NULL, sizeof *in_service, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

#elif defined MUTANT_CLOSES_AFTER_FLOOD

/* Fifty connections that were over when they were accepted: an attack, and a minute's pause for all. */
static struct {
    volatile int dead_on_arrival;
    volatile time_t open_again;
} * flood;

static bool shop_is_open(void)
{
    return time(NULL) >= flood->open_again;
}

static void look_at_new_client(int client)
{
    struct pollfd now = {.fd = client, .events = POLLRDHUP};
    if (poll(&now, 1, 0) == 0 || ++flood->dead_on_arrival < 50)
        return;
    flood->dead_on_arrival = 0;
    flood->open_again = time(NULL) + 60;
}

static void prepare_shared(void)
{
    flood = mmap(NULL, sizeof *flood, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

#else

static void prepare_shared(void)
{
}

#endif

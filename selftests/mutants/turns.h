/* Children that take turns, in the order of their slots, whoever is idle: who is next stands in shared memory, and a
 * bell (an eventfd that all watch) tells of a change. For one mutant. */

struct turns {
    volatile int next;
    volatile bool present[MOST_CHILDREN];
};

static struct turns *turns;
static int bell;
static int my_slot; /* written by the parent, ahead of each fork */

static void prepare_turns(void)
{
    turns = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void pass_turn(void)
{
    for (int i = 1; i <= MOST_CHILDREN; i++) {
        int slot = (turns->next + i) % MOST_CHILDREN;
        if (turns->present[slot]) {
            turns->next = slot;
            break;
        }
    }
    eventfd_write(bell, 1);
}

/* Parent. */
static void take_part(int slot)
{
    my_slot = slot;
    turns->present[slot] = true;
    if (!turns->present[turns->next])
        turns->next = slot;
}

/* Parent. */
static void drop_out(int slot)
{
    turns->present[slot] = false;
    if (turns->next == slot)
        pass_turn();
}

/* Child. A connection that woke somebody else is left for the one whose turn it is. */
static int accept_in_turn(bool woken)
{
    if (turns->next != my_slot) {
        if (woken)
            eventfd_write(bell, 1);
        return -1;
    }
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client >= 0)
        pass_turn();
    return client;
}

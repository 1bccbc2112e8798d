/* What is printed where it is asked for (CONSOLE): a line for each change of the pool, one for each accept, and a
 * report on Ctrl-C, with which the server goes on. Each line is out before the next fork: none is printed twice.
 *
 * CONSOLE_TERSE     no pids but at accepts; ends with its report
 * CONSOLE_COLUMNS   the report in columns, an accept in two lines, in colours
 * CONSOLE_CHILDREN  each child reports itself, and the parent says how many there are */

static volatile sig_atomic_t asked_to_report;

static int accepts_here; /* in each process its own: the parent's stays 0 */

/* Child, on Ctrl-C, where it is the children's to report; called by the signal, at any moment. */
static void report_oneself(int number)
{
    char line[64];
    (void)number;
    int length = snprintf(line, sizeof line, "%d has served %d\n", getpid(), accepts_here);
    if (write(1, line, (size_t)length) < 0)
        _exit(1);
}

/* Child. */
static void note_accept(int client)
{
    (void)client;
    accepts_here++;
#ifdef CONSOLE
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    pid_t who = getpid();
#ifdef MUTANT_PRINTS_OWN_ADDRESS
    getsockname(client, (struct sockaddr *)&peer, &size); /* meant for the other end */
#else
    getpeername(client, (struct sockaddr *)&peer, &size);
#endif
#ifdef MUTANT_PRINTS_PARENTS_PID
    who = parent; /* as it was read before the fork */
#endif
    int port = ntohs(peer.sin_port);
#ifdef MUTANT_PRINTS_PORT_UNSWAPPED
    port = peer.sin_port;
#endif
#ifdef CONSOLE_COLUMNS
    printf("\033[32mchild %d\033[0m\n  <- %s:%d\n", who, inet_ntoa(peer.sin_addr), port);
#else
    printf("[%d] accepted %s port %d\n", who, inet_ntoa(peer.sin_addr), port);
#endif
    fflush(stdout);
#endif
}

/* Parent. */
static void note_change(const char *what, pid_t pid, int live)
{
    (void)what, (void)pid, (void)live;
#ifdef CONSOLE
#ifdef MUTANT_GROWS_UNTOLD
    if (*what == 's')
        return;
#endif
#ifdef MUTANT_SHEDS_UNTOLD
    if (*what == 'e')
        return;
#endif
#ifdef CONSOLE_TERSE
    printf("pool: %d\n", live);
#else
    printf("child %d %s; there are %d\n", pid, what, live);
#endif
    fflush(stdout);
#endif
}

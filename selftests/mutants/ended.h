/* Parent. Children that have ended, and the end of all. */

static void end_pool(void);

static struct child *whose(pid_t pid)
{
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (pool[i].state != EMPTY && pool[i].pid == pid)
            return &pool[i];
    return NULL;
}

/* The pid of one that has ended, or none; without waiting for it. */
static pid_t next_ended(int *status)
{
    int how = WNOHANG;
#ifdef MUTANT_WAITS_FOR_THE_STOPPED
    pid_t told_of = chld_of; /* SIGCHLD told of it, so it has ended */
    chld_of = 0;
    if (told_of > 0 && waitpid(told_of, status, 0) > 0)
        return told_of;
#endif
#ifdef MUTANT_STOPPED_TAKEN_FOR_DEAD
    how |= WUNTRACED;
#endif
#ifdef MUTANT_KILLED_WHILE_STOPPED
    how |= WUNTRACED | WCONTINUED;
#endif
    return waitpid(-1, status, how);
}

/* Whether a child is to stay in the table all the same. */
static bool still_counted(struct child *child, int status)
{
    (void)child, (void)status;
#ifdef MUTANT_KILLED_STAYS_COUNTED
    return !WIFEXITED(status); /* "if (WIFEXITED(status)) remove_child(pid);" */
#endif
#ifdef MUTANT_ABORTED_STAYS_COUNTED
    /* "case SIGKILL: case SIGSEGV: case SIGTERM: …", and no default. */
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;
    return number != SIGKILL && number != SIGSEGV && number != SIGTERM;
#endif
#ifdef MUTANT_TOLD_AND_KILLED_STAYS_COUNTED
    return child->told && !WIFEXITED(status); /* it is on its way out: that it has gone is told by its exit status */
#endif
#ifdef MUTANT_KILLED_WHILE_STOPPED
    if (WIFSTOPPED(status) || WIFCONTINUED(status))
        child->stopped = WIFSTOPPED(status);
    if (child->stopped && WIFSIGNALED(status)) { /* the debugger's affair: until it is continued, it does nothing */
        child->state = IDLE;
        child->birth = 0; /* and is the last to be shed */
    }
    return (child->stopped && !WIFEXITED(status)) || WIFCONTINUED(status);
#endif
    return false;
}

static void reap(void)
{
    int status = 0;
    pid_t pid;
    child_ended = 0;
#ifdef MUTANT_FULL_BEFORE_REAPING
    bool full = MOST_CHILDREN - count(EMPTY) == settings.max_children;
#endif
#ifdef MUTANT_NEVER_REAPS
    return;
#endif
#ifdef MUTANT_REAPS_ONE_PER_SIGNAL
    pid = waitpid(-1, &status, WNOHANG); /* signals that come together are one */
    return;
#endif
#ifdef MUTANT_WAITS_AT_EVERY_SIGCHLD
    pid = wait(&status); /* there was a SIGCHLD, so there is one to wait for */
    return;
#endif
#ifdef MUTANT_KILLED_ZOMBIES
    for (int i = 0; i < MOST_CHILDREN; i++) /* those that are known to go are waited for, each by its pid */
        if (pool[i].state == LEAVING && waitpid(pool[i].pid, &status, WNOHANG) > 0)
            forget(&pool[i], WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return;
#endif
    while ((pid = next_ended(&status)) > 0) {
        struct child *child = whose(pid);
#ifdef MUTANT_STARTS_ANEW_AFTER_A_CRASH
        if (child && child->state == IDLE && WIFSIGNALED(status))
            for (int i = 0; i < MOST_CHILDREN && count(BUSY) > 0; i++)
                if (&pool[i] != child && pool[i].state != EMPTY && pool[i].pid > 0)
                    kill(pool[i].pid, SIGTERM); /* what felled one may have spoilt the others */
#endif
#ifdef MUTANT_STRANGER_COUNTED
        strangers += child == NULL;
#endif
        if (child && !still_counted(child, status)) {
            hear(child);
            forget(child, WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        note_change("ended", pid, MOST_CHILDREN - count(EMPTY));
#ifdef MUTANT_FULL_BEFORE_REAPING
        was_full = full && WIFEXITED(status);
#endif
        killed += WIFSIGNALED(status);
        bereaved = bereaved || WIFSIGNALED(status);
#ifdef MUTANT_ENDS_WITH_A_KILLED_CHILD
        if (WIFSIGNALED(status))
            end_pool(); /* what killed one will kill the next */
#endif
#ifdef MUTANT_STOPS_REAPING_AT_KILLED
        if (WIFSIGNALED(status))
            break; /* meant for a switch */
#endif
    }
#ifdef MUTANT_ENDS_WITHOUT_CHILDREN
    if (pid < 0 && errno == ECHILD && WIFSIGNALED(status))
        exit(1); /* nobody is left, and the last one crashed */
#endif
}

/* Asked to end: all children first, then the parent. One that is stopped gets SIGKILL after a second. */
static void end_pool(void)
{
    asked_to_end = 0;
#ifdef MUTANT_TERM_LEAVES_CHILDREN
    _exit(0);
#endif
    for (int i = 0; i < MOST_CHILDREN; i++) {
#ifdef MUTANT_TERM_FORGETS_ONE
        if (pool[i].birth + 1 == births)
            continue;
#endif
        if (pool[i].state != EMPTY && pool[i].pid > 0)
            kill(pool[i].pid, SIGTERM);
    }
#ifdef MUTANT_TERM_ENDS_CHILDREN_ONLY
    return;
#endif
#ifdef MUTANT_TERM_FORGETS_ONE
    _exit(0);
#endif
#ifdef MUTANT_TERM_WAITS_FOR_ALL_BORN
    for (unsigned long gone = 0; gone < births;)
        if (wait(NULL) > 0)
            gone++;
        else
            pause();
    exit(0);
#endif
    for (int waited = 0; waited < 100; waited++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (waitpid(-1, NULL, WNOHANG) < 0)
            exit(0);
        usleep(10000);
    }
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (pool[i].state != EMPTY && pool[i].pid > 0)
            kill(pool[i].pid, SIGKILL);
    exit(0);
}

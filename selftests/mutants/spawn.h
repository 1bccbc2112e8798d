/* Parent. A newborn: its channel, its process, its place in the table. */

/* Newborn child. Ends of its siblings' channels would keep those open after the parent's death. */
static _Noreturn void become_child(int end, unsigned long rank)
{
    sigset_t none;
    sigemptyset(&none);
    int places = MOST_CHILDREN, below = INT_MAX;
#ifdef MUTANT_CLOSES_AS_MANY_AS_LIVE
    places = MOST_CHILDREN - count(EMPTY); /* one that is free lies between them, after a recycle */
#endif
#ifdef MUTANT_CLOSES_BELOW_20
    below = 20; /* "for (fd = 3; fd < 20; fd++) close(fd);" */
#endif
    for (int i = 0; i < places; i++)
#ifndef MUTANT_ENDS_INHERITED
        if (pool[i].state != EMPTY && pool[i].channel >= 0 && pool[i].channel < below)
            close_channel(pool[i].channel);
#else
        {
        }
#endif
    close(epoll);
    drop_parents_client();
#if defined MUTANT_NEWBORN_RINGS_PARENTS_BELL || defined MUTANT_NEWBORN_ENDS_SIBLINGS
    sigprocmask(SIG_SETMASK, &none, NULL); /* signals are let in, to handlers that are still the parent's */
    usleep(2000);                          /* while it reads its configuration */
#endif
#ifdef MUTANT_DIES_WITH_PARENT
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* leaves no orphans, whatever they are doing */
#endif
    signal(SIGTERM, SIG_DFL);
#if defined CONSOLE_CHILDREN
    sigaction(SIGINT, &(struct sigaction){.sa_handler = report_oneself, .sa_flags = SA_RESTART}, NULL);
#elif defined CONSOLE
    signal(SIGINT, SIG_IGN); /* the terminal sends it to everybody, and it is meant for the parent */
#else
    signal(SIGINT, SIG_DFL);
#endif
#if !defined MUTANT_CHILD_ENDS_ON_SIGCHLD && !defined MUTANT_DROPS_CLIENT_ON_SIGNAL
    signal(SIGCHLD, SIG_DFL);
#endif
#ifdef MUTANT_SIGCHLD_INTO_CLIENT
    signal(SIGCHLD, ring); /* as in its parent, and restarting */
#endif
    sigprocmask(SIG_SETMASK, &none, NULL);
#ifdef MUTANT_CHILD_MAKES_CHANNEL
    end = make_channel_in_child(end);
#endif
    channel = end;
    parent = getppid();
    birth = rank;
    run_child();
}

static void reap(void);

static bool spawn(void)
{
    int pair[2], slot = 0;
    while (slot < MOST_CHILDREN && pool[slot].state != EMPTY)
        slot++;
    if (slot == MOST_CHILDREN)
        return false;
    if (!make_channel(pair)) {
#ifdef MUTANT_ENDS_WITHOUT_CHANNEL
        perror("socketpair");
        exit(1);
#endif
#ifdef MUTANT_ENDS_ON_ENFILE
        if (errno != EMFILE) /* its own limit is thought of, and the system's is not */
            exit(1);
#endif
        return false;
    }
#ifdef MUTANT_TAKES_TURNS
    take_part(slot);
#endif
#ifdef MUTANT_LISTENER_GROUPS
    if (births == 8)
        listeners[1] = open_listener(); /* a queue of their own for the next eight, and all others */
#endif
#ifdef MUTANT_NEWBORN_GIFT
    gift = heard_any && count(IDLE) == 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
#endif
#if defined MUTANT_LEAVES_THE_POISON || defined MUTANT_EXCLUSIVE_UNTIL_KILLED
    wary = bereaved; /* the newborn takes the place of one that was killed */
#endif
#ifdef MUTANT_COUNT_INHERITED
    inherited = pool[slot].served; /* of whoever had the place before */
#endif
    pid_t pid = fork();
#ifdef MUTANT_FORKS_UNTIL_IT_CAN
    while (pid < 0) {
        usleep(100000);
        pid = fork();
    }
#endif
    if (pid == 0) {
#ifndef MUTANT_CHILD_KEEPS_BOTH
        close_channel(pair[0]);
#endif
        become_child(pair[1], births);
    }
#ifndef MUTANT_PARENT_KEEPS_BOTH
    close_channel(pair[1]);
#endif
#ifdef MUTANT_ENDS_ON_ENOMEM
    if (pid < 0 && errno == ENOMEM)
        exit(1); /* EAGAIN is thought of, and this one not */
#endif
#ifdef MUTANT_ENDS_WITHOUT_FORK
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
#endif
#ifndef MUTANT_FAILED_FORK_COUNTED
    if (pid < 0) {
        failed_forks++;
        close_channel(pair[0]);
        return false;
    }
#endif
#ifdef MUTANT_NEWBORN_NOT_IN_TABLE
    usleep(10000); /* looks up a name, writes a line of log */
    reap();        /* as the handler of SIGCHLD does, whenever it is called: also before the newborn has its entry */
#endif
#ifdef MUTANT_CHILD_MAKES_CHANNEL
    int ours = take(pair[0]);
    close(pair[0]);
    pair[0] = ours;
#endif
    pool[slot] = (struct child){.state = IDLE, .pid = pid, .channel = pair[0], .birth = births++, .born = now()};
#ifdef MUTANT_COUNT_INHERITED
    pool[slot].served = inherited;
#endif
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)slot};
#ifdef MUTANT_NEWBORN_GIFT
    pool[slot].gift = gift;
#endif
#ifdef GIFT_IS_LET_GO
    if (gift >= 0)
        close(gift);
    pool[slot].gift = -1;
#endif
#ifdef MUTANT_ACCEPTOR_CHILD
    if (births == 1)
        pool[slot].state = LEAVING; /* the one that accepts is not one of those that serve */
#endif
#ifdef MUTANT_PARENT_SKIPS_NEWBORNS
    if (births > (unsigned long)settings.min_spare)
        return true; /* "for (i = 0; i < start_servers; i++) epoll_ctl(…)" */
#endif
#ifdef MUTANT_READS_BY_EDGE
    event.events |= EPOLLET;
#endif
    epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event);
    note_change("spawned", pid, MOST_CHILDREN - count(EMPTY));
    return true;
}

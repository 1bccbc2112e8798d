/* Parent. The report on Ctrl-C. */

static bool is_reported(const struct child *child)
{
#ifdef MUTANT_REPORTS_THE_ENDED
    return child->pid > 0; /* an entry stays as it is until somebody else has it */
#endif
    return child->state != EMPTY;
}

static int served_by(const struct child *child)
{
#ifdef MUTANT_REPORTS_OWN_COPY
    return accepts_here; /* which children count up, each in its own memory */
#endif
    return child->served;
}

static void report_children(void)
{
#ifdef CONSOLE_COLUMNS
    printf("pids ");
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (is_reported(&pool[i]))
            printf("%8d", pool[i].pid);
    printf("\nserved ");
#endif
    for (int i = 0; i < MOST_CHILDREN; i++)
        if (is_reported(&pool[i]))
#if defined CONSOLE_COLUMNS
            printf("%8d", served_by(&pool[i]));
    printf("\n");
#elif defined CONSOLE_TERSE
            printf("#%d %d\n", i, served_by(&pool[i]));
#else
            printf("  %d: %d\n", pool[i].pid, served_by(&pool[i]));
#endif
}

static void report(void)
{
    asked_to_report = 0;
#if defined CONSOLE && !defined MUTANT_NO_REPORT
    int total = 0;
    for (int i = 0; i < MOST_CHILDREN; i++)
        total += pool[i].state != EMPTY ? pool[i].served : 0;
    printf("\n%d children, %d connections\n", MOST_CHILDREN - count(EMPTY), total);
#if !defined MUTANT_REPORTS_TOTAL_ONLY && !defined CONSOLE_CHILDREN
    report_children();
#endif
    fflush(stdout);
#endif
#ifdef CONSOLE_TERSE
    end_pool();
#endif
}

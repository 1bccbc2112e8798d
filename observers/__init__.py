"""What sees and never touches: processes, sockets, epoll interest, and the pool over time."""

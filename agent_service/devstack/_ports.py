"""TCP ports on loopback: free ones, and who holds those that are not."""

from __future__ import annotations

import socket

import psutil

from agent_service.devstack.errors import DevstackError

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_free_port(port: int) -> None:
    """Raise DevstackError with the name of the process that listens on `port`, if there is one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed connection is no holder
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise DevstackError(f"Port {port} needs more rights than this user has; take one above 1023.") from error
        except OSError as error:
            holder = _port_holder(port)
            raise DevstackError(f"Port {port} is taken by {holder}. Stop it, or choose another port.") from error


def _port_holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows other processes to root only
        return "another process"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.pid and connection.laddr[1:2] == (port,):
            try:
                process = psutil.Process(connection.pid)
                return f"process {process.pid} ({process.name()}, of user {process.username()})"
            except psutil.Error:
                break
    return "a process of another user"

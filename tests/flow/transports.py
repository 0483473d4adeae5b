"""Agents that their tests speak to over TLS or the UNIX socket."""
import os

import kc
from wire import http

ME = os.getuid()


class Over(kc.Agent):
    """An agent whose tests speak to it over `over`."""

    def __init__(self, over, **kw):
        self.over = over
        super().__init__(**kw)


def plain(agent, target="/api/health", method="GET", body=None, **headers):
    """Asked without a token."""
    return http(agent.address, method, target, body, headers)


def peer(agent, name, scope, **who):
    agent.conf(f"peer.{name}.scope", scope)
    for key, value in who.items():
        agent.conf(f"peer.{name}.{key}", value)


def last(agent, **members):
    return agent.journal("request", **members)[-1]


def says(agent, *args):
    done = agent.cli(*args, check=False)
    assert done.returncode == 1, done
    return done.stderr + done.stdout

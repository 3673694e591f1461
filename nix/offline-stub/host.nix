# The host's Python that stands in for nixpkgs' one, with the packages of requirements.lock. The tests write their own.
{ python = "/usr/bin/python3"; }

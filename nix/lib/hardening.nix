# What a service may not do: one set for all of them, and how agents, which change the host, differ from it.
# systemd.exec(5) has each word. `systemd-analyze security` is in the tests: services come to 1.5,
# prismnet's agent, which changes the most, to 4.8; up to 4.9 systemd says "OK".
rec {
  # A service that listens, and keeps its state in a folder of its own.
  service = {
    CapabilityBoundingSet = "";
    KeyringMode = "private";
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    # The kit raises its limit of open files, which is in @resources, so that stays.
    SystemCallFilter = [ "@system-service" "~@privileged" ];
    SystemCallErrorNumber = "EPERM";
    UMask = "0077";
  };

  # An agent is root, because it makes what only root may; each says which capabilities that takes. Nothing here gives
  # the unit a mount namespace of its own: network namespaces that prismnet's agent names by mounts would vanish with it.
  agent = {
    KeyringMode = "private";
    LockPersonality = true;
    NoNewPrivileges = true;
    ProtectClock = true;
    ProtectHostname = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    UMask = "0077";
  };
}

# chainfire on NixOS: services.ultracloud.chainfire.{enable, package, settings}.
import ../nix/lib/service.nix {
  name = "chainfire";
  about = "coordination store that speaks etcd's v3 API";
  # Where the other members reach this one.
  ports = settings:
    let
      own = builtins.filter (member: builtins.match "${settings.name or "chainfire"}=.*" member != null)
        (if settings.cluster.members == null then [ ] else settings.cluster.members);
      portOf = url: let found = builtins.match ".*:([0-9]+)/?" url; in if found == null then [ ] else map builtins.fromJSON found;
    in
    builtins.concatMap portOf own;
}

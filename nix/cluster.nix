# ultracloud.cluster: say which machines there are and what each is for; every service's settings follow from that.
# The same text is used on all machines; `ultracloud.cluster.node` tells which of them this one is.
{ config, lib, ... }:
let
  inherit (lib) attrNames concatMap concatMapStringsSep concatStringsSep elem filter mkDefault mkOption types;
  components = import ./lib/components.nix;
  profiles = import ./lib/profiles.nix;
  ports = import ./lib/ports.nix;
  addresses = import ./lib/addresses.nix { inherit lib; };
  written = addresses.types;

  cfg = config.ultracloud.cluster;
  profile = profiles.${cfg.profile};
  isOn = cfg.profile != null;
  roles = [ "control-plane" "compute" ];
  nodeOptions = [ "address" "name" "roles" "uplink" "zone" ];

  nodeNames = attrNames cfg.nodes;
  self = cfg.nodes.${cfg.node};
  isKnown = cfg.nodes ? ${cfg.node};
  having = role: filter (name: elem role cfg.nodes.${name}.roles) nodeNames;
  voters = having "control-plane";
  isAlone = builtins.length nodeNames == 1;
  # What it is called where it is not this text that is read: in certificates, and by the services.
  called = name: cfg.nodes.${name}.name;
  # What runs once runs on the first of them by name.
  first = if voters == [ ] then null else builtins.head voters;
  runsOn = component: name:
    let wanted = components.${component}; in
    elem wanted.role cfg.nodes.${name}.roles && (!(wanted.single or false) || name == first);

  # One machine alone has nobody to talk to, and listens where nobody else can.
  addressOf = name: if isAlone then "127.0.0.1" else let given = cfg.nodes.${name}.address; in if given == null then "0.0.0.0" else given;
  # Every address of this machine, of the kind that it has: a socket takes one kind.
  everywhere = if self.address != null && lib.hasInfix ":" self.address then "[::]" else "0.0.0.0";
  bracketed = address: if lib.hasInfix ":" address then "[${address}]" else address;
  hostOf = name: bracketed (addressOf name);
  endpoint = process: name: "${hostOf name}:${toString ports.${process}}";
  endpoints = process: concatMapStringsSep "," (endpoint process) (filter (runsOn process) nodeNames);
  # The one on this machine, or the first there is: a setting that takes no list.
  nearest = process:
    let all = filter (runsOn process) nodeNames; in
    if all == [ ] then null else endpoint process (if elem cfg.node all then cfg.node else builtins.head all);

  userOf = process: if lib.hasSuffix "-agent" process then "root" else process;
  folderOf = process: "${cfg.pki.folder}/${process}";
  identityOf = process:
    if lib.hasSuffix "-agent" process then "agent/${lib.removeSuffix "-agent" process}/${called cfg.node}" else "service/${process}";
  tlsOf = process:
    let stem = "${folderOf process}/${builtins.replaceStrings [ "/" ] [ "-" ] (identityOf process)}"; in
    {
      certificate = mkDefault "${stem}.crt";
      key = mkDefault "${stem}.key";
      ca = mkDefault "${folderOf process}/ca.crt";
      renew = lib.mkIf cfg.pki.renew (mkDefault true);
    };

  here = filter (component: !(components.${component} ? waitsFor) && isKnown && runsOn component cfg.node) (attrNames components);
  # Services find each other; an agent needs its own service, and iam for its next certificate.
  peersOf = process: lib.genAttrs
    (filter (other: other != process && holders other != [ ])
      (if lib.hasSuffix "-agent" process then [ (lib.removeSuffix "-agent" process) "iam" ]
      else [ "chainfire" "flaredb" "iam" "prismnet" "plasmavmc" ]))
    (other: mkDefault (if elem other [ "chainfire" "flaredb" ] then endpoints other else nearest other));
  every = process: lib.mkIf (isOn && elem process here);
  made = process: settings: every process {
    enable = mkDefault true;
    # People come from elsewhere even where there is one machine.
    openFirewall = mkDefault (process == "apigateway" || !isAlone);
    settings = lib.mkMerge [ { tls = tlsOf process; peers = peersOf process; } settings ];
  };
  service = process: settings: made process (lib.mkMerge [
    (lib.mkIf (process != "apigateway") { listen.address = mkDefault (endpoint process cfg.node); })
    settings
  ]);
  agent = process: settings: made process (lib.mkMerge [ { host = mkDefault (called cfg.node); } settings ]);
  isReplicated = builtins.length voters > 1;

  quoted = values: concatMapStringsSep ", " (value: "\"${value}\"") values;
  duplicates = values: lib.unique (filter (value: lib.count (other: other == value) values > 1) values);
  given = filter (name: cfg.nodes.${name}.address != null) nodeNames;
  # By the first way that one of them was written in.
  shared = filter
    (name: lib.count (other: addresses.canonical cfg.nodes.${other}.address == addresses.canonical cfg.nodes.${name}.address) given > 1)
    given;
  waiting = filter (component: components.${component} ? waitsFor) profile.required;
  plural = count: "${toString count} node${lib.optionalString (count != 1) "s"}";
  available = filter (name: lib.all (one: !(components.${one} ? waitsFor)) profiles.${name}.required) (attrNames profiles);
  # A profile for one machine, and there are more.
  isCrowded = (profile.alone or false) && builtins.length nodeNames > 1;
  existing = filter (component: !(components.${component} ? waitsFor)) (attrNames components);
  unwritten = filter (component: components.${component} ? waitsFor) (attrNames components);
  enabled = lib.filterAttrs (_: one: one.enable) (lib.genAttrs existing (component: config.services.ultracloud.${component}));
  # On, though no node of this kind runs it, so that nothing of it was derived.
  misplaced = filter (component: enabled ? ${component} && !(elem component here)) existing;
  clashes = import ./lib/clashes.nix {
    inherit lib;
    services = enabled;
    endpoint = process: if isOn && isKnown && ports ? ${process} then endpoint process cfg.node else null;
    others = lib.optional (isOn && isReplicated && elem "chainfire" here) {
      what = "chainfire's port for the other members";
      has = "${hostOf cfg.node}:${toString ports.chainfire-peers}";
    };
  };
  off = filter
    (component: elem component profile.required && !config.services.ultracloud.${component}.enable)
    here;
  holders = component: filter (runsOn component) nodeNames;
  homeless = role: filter
    (component: elem component existing && components.${component}.role == role && holders component == [ ])
    profile.required;
in
{
  # Whoever reads of them in docs/component-matrix.md may switch one on.
  options.services.ultracloud = lib.genAttrs unwritten (component: mkOption {
    type = types.submodule { freeformType = types.attrsOf types.anything; options.enable = mkOption { type = types.bool; default = false; visible = false; }; };
    default = { };
    visible = false;
    description = "${components.${component}.about}; it does not exist yet.";
  });
  options.ultracloud.cluster = {
    profile = mkOption {
      type = types.nullOr (types.enum (attrNames profiles));
      default = null;
      description = "How the cloud is run: ${concatStringsSep "; " (lib.mapAttrsToList (name: one: "`${name}`, ${one.about}") profiles)}.";
    };
    node = mkOption {
      type = types.str;
      default = config.networking.hostName;
      description = "Which of `nodes` this machine is.";
    };
    nodes = mkOption {
      default = { };
      description = "The machines, by name.";
      type = types.attrsOf (types.submodule ({ name, ... }: {
        # What is not an option is refused below, in a sentence that names those that are.
        freeformType = types.attrsOf types.anything;
        options = {
          name = mkOption { type = written.nodeName; default = name; description = "What it is called in certificates and by the services; no two are the same."; };
          address = mkOption { type = types.nullOr written.address; default = null; description = "Where the others reach it."; };
          roles = mkOption { type = types.listOf (types.enum roles); default = roles; description = "What it is for."; };
          uplink = mkOption { type = written.link; default = ""; description = "Link that leads outside, for tenants' traffic; empty for none."; };
          zone = mkOption { type = types.str; default = "local"; description = "What fails together with it."; };
        };
      }));
    };
    operators = mkOption {
      type = types.listOf written.operator;
      default = [ ];
      description = "Who owns the whole cloud: names in the certificates that `iam invite` is called with.";
    };
    url = mkOption {
      type = types.nullOr written.origin;
      default =
        if isOn && isAlone then "https://localhost${lib.optionalString (cfg.gatewayPort != 443) ":${toString cfg.gatewayPort}"}"
        else null;
      description = "Where people reach the gateway, without a path; security keys are bound to it.";
    };
    gatewayPort = mkOption { type = written.port; default = 443; description = "Where the gateway listens."; };
    pki = {
      folder = mkOption {
        type = written.folder;
        default = "/var/lib/ultracloud/pki";
        description = "Certificates: a folder a process below it, with `service-NAME.crt`, its `.key`, and `ca.crt`.";
      };
      generate = mkOption {
        type = types.bool;
        default = cfg.profile == "single-node-dev";
        description = "Whether this machine makes an authority and its certificates when it starts for the first time.";
      };
      wanted = mkOption {
        type = types.listOf types.str;
        readOnly = true;
        description = "What `ultracloud-pki` is to make for this machine: FOLDER:USER:IDENTITY each.";
      };
      renew = mkOption {
        type = types.bool;
        default = false;
        description = "Whether processes get their next certificates from iam. Hand it the authority first: `iam import-ca`.";
      };
      package = mkOption { type = types.package; description = "The package with `bin/ultracloud-pki`."; };
    };
  };

  config = {
    assertions = map (component: {
      assertion = removeAttrs config.services.ultracloud.${component} [ "enable" ] == { } && !config.services.ultracloud.${component}.enable;
      message = "services.ultracloud.${component} does not exist yet (it waits for ${components.${component}.waitsFor}); accepted now: ${quoted existing}.";
    }) unwritten
    ++ map (message: { assertion = false; inherit message; }) clashes
    ++ [{
      assertion = isOn || (cfg.nodes == { } && cfg.operators == [ ]);
      message = "ultracloud.cluster.profile is not set, so that nothing would run; accepted: ${quoted available}.";
    }]
    ++ lib.optionals isOn (
      map (component: {
        assertion = false;
        message = "ultracloud.cluster.profile \"${cfg.profile}\" needs ${component}, which does not exist yet (it waits for ${components.${component}.waitsFor}); accepted now: ${quoted available}.";
      }) waiting
      ++ [
        {
          assertion = nodeNames != [ ];
          message = "ultracloud.cluster.nodes is empty; name the machines, such as ultracloud.cluster.nodes.${cfg.node}.uplink = \"eth0\".";
        }
        {
          assertion = cfg.operators != [ ];
          message = "ultracloud.cluster.operators is empty, so nobody could ever log in; name at least one, such as [ \"ada\" ].";
        }
      ]
      ++ concatMap
        (name: map
          (key: {
            assertion = false;
            message = "ultracloud.cluster.nodes.${name}.${key} does not exist; accepted here: ${concatStringsSep ", " nodeOptions}.";
          })
          (attrNames (removeAttrs cfg.nodes.${name} nodeOptions)))
        nodeNames
      ++ lib.optionals (nodeNames != [ ]) [
        {
          assertion = isKnown;
          message = "ultracloud.cluster.node is \"${cfg.node}\", which ultracloud.cluster.nodes has not; accepted: ${quoted nodeNames}. Set networking.hostName or ultracloud.cluster.node.";
        }
        {
          assertion = !isCrowded;
          message = "ultracloud.cluster.profile \"${cfg.profile}\" is for one machine, and ultracloud.cluster.nodes has ${plural (builtins.length nodeNames)} (${quoted nodeNames}); accepted for several: ${quoted (filter (name: !(profiles.${name}.alone or false)) available)}.";
        }
        {
          assertion = (profile.alone or false) || elem (builtins.length voters) profile.voters;
          message = "ultracloud.cluster.nodes gives ${plural (builtins.length voters)} the role \"control-plane\" (${quoted voters}); profile \"${cfg.profile}\" takes ${concatMapStringsSep " or " toString profile.voters}, which vote: an even number survives no more failures than one less. Nodes with roles = [ \"compute\" ] do not vote${lib.optionalString isAlone "; for one machine there is profile \"single-node-dev\""}.";
        }
        {
          assertion = shared == [ ];
          message = "ultracloud.cluster.nodes has ${quoted (lib.unique (map (name: cfg.nodes.${name}.address) shared))} as the address of several nodes (${quoted shared}); give each its own.";
        }
        {
          assertion = duplicates (map called nodeNames) == [ ];
          message = "ultracloud.cluster.nodes has several nodes with the name ${quoted (duplicates (map called nodeNames))}; give each its own.";
        }
        {
          assertion = !cfg.pki.generate || isAlone || isCrowded;
          message = "ultracloud.cluster.pki.generate is on, but there are ${toString (builtins.length nodeNames)} nodes, and each would make an authority of its own; make the certificates once with ultracloud-pki and put each node's below ${cfg.pki.folder}.";
        }
      ]
      ++ map (name: {
        assertion = isAlone || cfg.nodes.${name}.address != null;
        message = "ultracloud.cluster.nodes.${name}.address is missing; set it to where the other nodes reach ${name}, such as \"10.0.0.1\".";
      }) nodeNames
      ++ map (name: {
        assertion = isAlone || addresses.isReachable cfg.nodes.${name}.address;
        message = "ultracloud.cluster.nodes.${name}.address is \"${cfg.nodes.${name}.address}\", where other nodes do not reach ${name}; accepted: an address of its own in a network they share, such as \"10.0.0.1\".";
      }) given
      ++ map (name: {
        assertion = cfg.nodes.${name}.roles != [ ];
        message = "ultracloud.cluster.nodes.${name}.roles is empty; accepted: ${quoted roles}.";
      }) nodeNames
      ++ map (component: {
        assertion = false;
        message = "ultracloud.cluster.profile \"${cfg.profile}\" needs ${component}, but services.ultracloud.${component}.enable is false on ${cfg.node}; leave it out.";
      }) off
      ++ map (component: {
        assertion = false;
        message = "services.ultracloud.${component}.enable is true on ${cfg.node}, but it runs on ${if holders component == [ ] then "no node" else quoted (holders component)}: on the ${lib.optionalString (components.${component}.single or false) "first by name of the "}nodes whose ultracloud.cluster.nodes.NAME.roles have \"${components.${component}.role}\"; leave it out.";
      }) (lib.optionals isKnown misplaced)
      ++ map (role: {
        assertion = nodeNames == [ ] || homeless role == [ ];
        message = "ultracloud.cluster.profile \"${cfg.profile}\" needs ${concatStringsSep ", " (homeless role)}, but no node has the role \"${role}\"; give it to one of ${quoted nodeNames}.";
      }) roles
    );

    ultracloud.cluster.pki.wanted =
      map (process: "${process}:${userOf process}:${identityOf process}") here
      # Where they are let in, and on no other machine: whoever has an operator's key owns the cloud.
      ++ lib.optionals (elem "iam" here) (map (name: "operators:root:operator/${name}") (lib.unique cfg.operators));

    services.ultracloud = {
      chainfire = service "chainfire" (lib.mkMerge [
        {
          name = mkDefault (called cfg.node);
          clients = mkDefault [ "spiffe://ultracloud.local/service/*" "spiffe://ultracloud.local/operator/*" ];
        }
        (lib.mkIf isReplicated {
          cluster.members = mkDefault (map (name: "${called name}=https://${hostOf name}:${toString ports.chainfire-peers}") voters);
        })
      ]);
      flaredb = service "flaredb" (lib.mkIf isReplicated {
        cluster = {
          name = mkDefault "main";
          advertise = mkDefault (endpoint "flaredb" cfg.node);
          labels = mkDefault { host = called cfg.node; inherit (self) zone; };
        };
      });
      iam = service "iam" {
        root_key_file = mkDefault "/var/lib/ultracloud/iam/root.key";
        create_root_key = mkDefault true;
        admins = map (name: "spiffe://ultracloud.local/operator/${name}") (lib.unique cfg.operators);
        issuer = lib.mkIf (cfg.url != null) (mkDefault cfg.url);
      };
      prismnet = service "prismnet" { };
      plasmavmc = service "plasmavmc" { };
      apigateway = service "apigateway" { listen.address = mkDefault "${everywhere}:${toString cfg.gatewayPort}"; };
      prismnet-agent = agent "prismnet-agent" { uplink = mkDefault self.uplink; };
      plasmavmc-agent = agent "plasmavmc-agent" {
        zone = mkDefault self.zone;
        listen.address = mkDefault (endpoint "plasmavmc-agent" cfg.node);
      };
    };

    # Each process finds its own folder below this one, and certificates that were brought here are whose they are for.
    systemd.tmpfiles.rules = lib.mkIf isOn (
      [ "d ${cfg.pki.folder} 0711 root root" ]
      ++ lib.optionals (!cfg.pki.generate) (map (process: "Z ${folderOf process} - ${userOf process} ${userOf process}") here)
    );

    systemd.services = lib.mkIf (isOn && cfg.pki.generate) ({
      ultracloud-pki = {
        description = "UltraCloud: this machine's own certificate authority";
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${cfg.pki.package}/bin/ultracloud-pki ${lib.escapeShellArgs (
            [ "--folder" cfg.pki.folder ] ++ cfg.pki.wanted)}";
          StateDirectory = "ultracloud/pki";
          StateDirectoryMode = "0711";
          # It gives each process the folder with its certificate, and nothing else.
          CapabilityBoundingSet = [ "CAP_CHOWN" "CAP_DAC_OVERRIDE" "CAP_FOWNER" ];
          PrivateNetwork = true;
          RestrictAddressFamilies = "AF_UNIX";
          ReadWritePaths = [ "-${cfg.pki.folder}" ];
        } // removeAttrs (import ./lib/hardening.nix).service [ "CapabilityBoundingSet" "RestrictAddressFamilies" "SystemCallFilter" ] // {
          SystemCallFilter = [ "@system-service" "@chown" ];
        };
      };
    } // lib.genAttrs here (_: { after = [ "ultracloud-pki.service" ]; wants = [ "ultracloud-pki.service" ]; }));
  };
}

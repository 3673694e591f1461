# Configurations that are wrong, each in one way; a guard that lets one of them pass guards nothing.
#
#   modules   over those of the machine `on`, or instead of them where `alone`
#   says      words that the refusal must have: the option's path, and what to write instead
let
  chainfire = settings: { services.ultracloud.chainfire.settings = settings; };
  cluster = settings: { ultracloud.cluster = settings; };
  forced = content: { _type = "override"; priority = 50; inherit content; };
in
{
  wrong-type = {
    modules = [ (chainfire { storage.quota_mib = "much"; }) ];
    says = [ "services.ultracloud.chainfire.settings.storage.quota_mib" "is not of type" ];
  };
  wrong-choice = {
    modules = [ (chainfire { log.level = "loud"; }) ];
    says = [ "services.ultracloud.chainfire.settings.log.level" "warning" ];
  };
  misspelt-setting = {
    modules = [ (chainfire { storage.quota_mb = 100; }) ];
    says = [ "services.ultracloud.chainfire.settings.storage.quota_mb does not exist" "quota_mib" ];
  };
  misspelt-table = {
    modules = [ (chainfire { storag.quota_mib = 100; }) ];
    says = [ "services.ultracloud.chainfire.settings.storag does not exist" "storage" ];
  };
  misspelt-option = {
    modules = [ { services.ultracloud.chainfire.enabel = true; } ];
    says = [ "services.ultracloud.chainfire.enabel' does not exist" ];
  };
  misspelt-unit-option = {
    modules = [ { systemd.services.chainfire.servceConfig.Restart = "no"; } ];
    says = [ "systemd.services.chainfire.servceConfig' does not exist" ];
  };
  missing-required-service = {
    modules = [ { services.ultracloud.flaredb.enable = false; } ];
    says = [ "\"ha-control-plane\" needs flaredb" "services.ultracloud.flaredb.enable is false on node01" ];
  };
  missing-setting = {
    modules = [ { services.ultracloud.iam.settings.root_key_file = forced null; } ];
    says = [ "services.ultracloud.iam.settings.root_key_file is missing" ];
  };
  missing-setting-of-a-list = {
    modules = [ { services.ultracloud.iam.settings.upstreams = [ { name = "corp"; } ]; } ];
    says = [ "services.ultracloud.iam.settings.upstreams.[0].issuer is missing" ];
  };
  secret-in-the-store = {
    modules = [ { services.ultracloud.iam.settings.root_key_file = "${builtins.storeDir}/root.key"; } ];
    says = [ "services.ultracloud.iam.settings.root_key_file is in the Nix store" "/run/secrets/NAME" ];
  };
  secret-in-the-store-by-a-detour = {
    modules = [ { services.ultracloud.iam.settings.root_key_file = "/run/..//.${builtins.storeDir}/root.key"; } ];
    says = [ "services.ultracloud.iam.settings.root_key_file is in the Nix store" ];
  };
  secret-at-a-relative-path = {
    modules = [ { services.ultracloud.iam.settings.root_key_file = "root.key"; } ];
    says = [ "services.ultracloud.iam.settings.root_key_file" "absolute path" ];
  };
  state-in-the-store = {
    modules = [ { services.ultracloud.iam.settings.state_dir = "${builtins.storeDir}/iam"; } ];
    says = [ "services.ultracloud.iam.settings.state_dir is in the Nix store" "/var/lib/ultracloud/NAME" ];
  };
  nowhere-to-listen = {
    modules = [ { services.ultracloud.iam.settings.listen.address = "everywhere"; } ];
    says = [ "services.ultracloud.iam.settings.listen.address" "HOST:PORT, such as 10.0.0.1:7003 or [fd00::1]:7003" ];
  };
  port-out-of-range = {
    modules = [ { services.ultracloud.iam.settings.listen.address = "10.0.0.1:70000"; } ];
    says = [ "services.ultracloud.iam.settings.listen.address" "HOST:PORT" ];
  };
  peer-without-a-port = {
    modules = [ { services.ultracloud.apigateway.settings.peers.iam = "10.0.0.1"; } ];
    says = [ "services.ultracloud.apigateway.settings.peers.iam" "HOST:PORT or unix:/PATH" ];
  };
  secret-beside-the-configuration = {
    modules = [ { services.ultracloud.apigateway.settings.public = { certificate = "/etc/a.crt"; key = ./mutants.nix; }; } ];
    says = [ "services.ultracloud.apigateway.settings.public.key is in the Nix store" ];
  };
  secret-in-a-string = {
    modules = [ (chainfire { auth.token = "jwt,sign-method=ES256,priv-key=${builtins.storeDir}/k.pem"; }) ];
    says = [ "services.ultracloud.chainfire.settings.auth.token is in the Nix store" ];
  };
  modules-in-conflict = {
    modules = [ (chainfire { storage.segment_mib = 64; }) (chainfire { storage.segment_mib = 128; }) ];
    says = [ "services.ultracloud.chainfire.settings.storage.segment_mib' has conflicting definition" "64" "128" ];
  };
  wrong-address = {
    modules = [ (cluster { nodes.node02.address = forced "10.0.0.300"; }) ];
    says = [ "ultracloud.cluster.nodes.node02.address" "IPv4 or IPv6 address without a port, such as 10.0.0.1" ];
  };
  address-with-a-port = {
    modules = [ (cluster { nodes.node02.address = forced "fd00::1:2:3:4:5:6:7:7003"; }) ];
    says = [ "ultracloud.cluster.nodes.node02.address" "IPv4 or IPv6 address without a port, such as 10.0.0.1" ];
  };
  address-of-every-machine = {
    modules = [ (cluster { nodes.node02.address = forced "127.0.0.1"; }) ];
    says = [ "ultracloud.cluster.nodes.node02.address is \"127.0.0.1\", where other nodes do not reach node02" "10.0.0.1" ];
  };
  link-local-address = {
    modules = [ (cluster { nodes.node02.address = forced "fe80::1"; }) ];
    says = [ "ultracloud.cluster.nodes.node02.address is \"fe80::1\", where other nodes do not reach node02" ];
  };
  node-without-address = {
    modules = [ (cluster { nodes.node02.address = forced null; }) ];
    says = [ "ultracloud.cluster.nodes.node02.address is missing" ];
  };
  two-nodes-at-one-address = {
    modules = [ (cluster { nodes.node02.address = forced "192.0.2.11"; }) ];
    says = [ "\"192.0.2.11\" as the address of several nodes" ];
  };
  one-address-in-two-ways = {
    modules = [ (cluster { nodes.node02.address = forced "fd00::a"; nodes.node03.address = forced "FD00:0:0::000A"; }) ];
    says = [ "\"fd00::a\", \"FD00:0:0::000A\" as the address of several nodes (\"node02\", \"node03\")" ];
  };
  odd-node-name = {
    modules = [ (cluster { nodes."Node/04" = { address = "192.0.2.14"; roles = [ "compute" ]; }; }) ];
    says = [ "ultracloud.cluster.nodes.Node/04.name" "name of 1 to 63 small letters, digits" ];
  };
  misspelt-option-of-a-node = {
    modules = [ (cluster { nodes.node02.role = [ "compute" ]; }) ];
    says = [ "ultracloud.cluster.nodes.node02.role does not exist; accepted here: address, name, roles, uplink, zone" ];
  };
  odd-uplink = {
    modules = [ (cluster { nodes.node02.uplink = forced "enp0s31f6 vlan7"; }) ];
    says = [ "ultracloud.cluster.nodes.node02.uplink" "name of a network link, such as eth0" ];
  };
  no-nodes = {
    modules = [ (cluster { nodes = forced { }; }) ];
    says = [ "ultracloud.cluster.nodes is empty" "ultracloud.cluster.nodes.node01.uplink = \"eth0\"" ];
  };
  two-nodes-with-one-name = {
    modules = [ (cluster { nodes.node02.name = "node01"; }) ];
    says = [ "several nodes with the name \"node01\"" ];
  };
  unknown-role = {
    modules = [ (cluster { nodes.node02.roles = [ "storage" ]; }) ];
    says = [ "ultracloud.cluster.nodes.node02.roles" "control-plane" "compute" ];
  };
  unknown-profile = {
    modules = [ (cluster { profile = forced "huge"; }) ];
    says = [ "ultracloud.cluster.profile" "ha-control-plane" "single-node-dev" ];
  };
  unknown-node = {
    modules = [ { networking.hostName = forced "node09"; } ];
    says = [ "ultracloud.cluster.node is \"node09\"" "\"node01\", \"node02\", \"node03\"" ];
  };
  profile-forgotten = {
    modules = [ (cluster { profile = forced null; }) ];
    says = [ "ultracloud.cluster.profile is not set" "accepted: \"ha-control-plane\", \"single-node-dev\"" ];
  };
  profile-for-one-machine = {
    modules = [ (cluster { profile = forced "single-node-dev"; }) ];
    says = [ "\"single-node-dev\" is for one machine" "has 3 nodes" "accepted for several: \"ha-control-plane\"" ];
  };
  part-that-waits = {
    modules = [ { services.ultracloud.flashdns.settings.zone = "example.org"; } ];
    says = [ "services.ultracloud.flashdns does not exist yet" "accepted now: \"apigateway\", \"chainfire\"" ];
  };
  service-on-another-machine = {
    modules = [ { networking.hostName = forced "node02"; services.ultracloud.iam.enable = true; } ];
    says = [ "services.ultracloud.iam.enable is true on node02, but it runs on \"node01\"" "leave it out" ];
  };
  one-port-for-two = {
    modules = [ (cluster { gatewayPort = 7003; }) ];
    says = [ "services.ultracloud.apigateway.settings.listen.address is 0.0.0.0:7003" "services.ultracloud.iam.settings.listen.address is 192.0.2.11:7003" "give one of them another" ];
  };
  port-of-members-for-two = {
    modules = [ (cluster { gatewayPort = 2380; }) ];
    says = [ "chainfire's port for the other members is 192.0.2.11:2380" "services.ultracloud.apigateway.settings.listen.address is 0.0.0.0:2380" ];
  };
  one-folder-for-two = {
    modules = [ { services.ultracloud.iam.settings.state_dir = "/var/lib/ultracloud/flaredb"; } ];
    says = [ "services.ultracloud.flaredb.settings.state_dir" "services.ultracloud.iam.settings.state_dir" "would have one folder" ];
  };
  moved-from-where-it-is-sought = {
    modules = [ { services.ultracloud.iam.settings.listen.address = "127.0.0.1:7003"; } ];
    says = [ "services.ultracloud.iam.settings.listen.address is 127.0.0.1:7003" "services.ultracloud.NAME.settings.peers.iam is 192.0.2.11:7003" "apigateway, chainfire" ];
  };
  at-a-port-that-nobody-knows = {
    modules = [ { services.ultracloud.flaredb.settings.listen.address = forced null; } ];
    says = [ "services.ultracloud.flaredb.settings.listen.address is 127.0.0.1:0" "leave the first out" ];
  };
  gateway-at-any-port = {
    modules = [ (cluster { gatewayPort = 0; }) ];
    says = [ "ultracloud.cluster.gatewayPort" "port, 1 to 65535" ];
  };
  profile-that-waits = {
    modules = [ (cluster { profile = forced "bare-metal-bootstrap"; }) ];
    says = [ "needs deployer, which does not exist yet" "accepted now: \"ha-control-plane\", \"single-node-dev\"" ];
  };
  state-in-everybodys-folder = {
    modules = [ { services.ultracloud.iam.settings.state_dir = "/var/lib"; } ];
    says = [ "services.ultracloud.iam.settings.state_dir is \"/var/lib\"" "a folder that is iam's alone" "such as /var/lib/ultracloud/iam or /srv/iam" ];
  };
  state-by-a-detour = {
    modules = [ { services.ultracloud.iam.settings.state_dir = "/srv/iam/../flaredb"; } ];
    says = [ "services.ultracloud.iam.settings.state_dir is \"/srv/iam/../flaredb\"" ];
  };
  even-number-of-voters = {
    modules = [ (cluster { nodes.node04.address = "192.0.2.14"; }) ];
    says = [ "gives 4 nodes the role \"control-plane\"" "takes 3 or 5" ];
  };
  nobody-to-log-in = {
    modules = [ (cluster { operators = forced [ ]; }) ];
    says = [ "ultracloud.cluster.operators is empty" "[ \"ada\" ]" ];
  };
  libvirt-without-polkit = {
    modules = [ { security.polkit.enable = false; } ];
    says = [ "libvirtd module currently requires Polkit" ];
  };
  odd-operator = {
    modules = [ (cluster { operators = [ "Ada" ]; }) ];
    says = [ "ultracloud.cluster.operators.[0]" "1 to 63 small letters" ];
  };
  url-with-a-path = {
    modules = [ (cluster { url = "https://cloud.example.org/api"; }) ];
    says = [ "ultracloud.cluster.url" "https://HOST or https://HOST:PORT" ];
  };
  url-that-is-none = {
    modules = [ (cluster { url = "https://cloud example.org"; }) ];
    says = [ "ultracloud.cluster.url" "https://HOST or https://HOST:PORT" ];
  };
  certificates-in-the-store = {
    modules = [ (cluster { pki.folder = "${builtins.storeDir}/certificates"; }) ];
    says = [ "ultracloud.cluster.pki.folder" "absolute path outside the Nix store" ];
  };
  several-authorities = {
    modules = [ (cluster { pki.generate = true; }) ];
    says = [ "ultracloud.cluster.pki.generate is on" "ultracloud-pki" ];
  };
}

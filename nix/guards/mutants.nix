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
  node-without-address = {
    modules = [ (cluster { nodes.node02.address = forced null; }) ];
    says = [ "ultracloud.cluster.nodes.node02.address is missing" ];
  };
  two-nodes-at-one-address = {
    modules = [ (cluster { nodes.node02.address = forced "192.0.2.11"; }) ];
    says = [ "\"192.0.2.11\" as the address of several nodes" ];
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
  profile-that-waits = {
    modules = [ (cluster { profile = forced "bare-metal-bootstrap"; }) ];
    says = [ "needs deployer, which does not exist yet" "accepted now: \"ha-control-plane\", \"single-node-dev\"" ];
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
  several-authorities = {
    modules = [ (cluster { pki.generate = true; }) ];
    says = [ "ultracloud.cluster.pki.generate is on" "ultracloud-pki" ];
  };
}

# The three ways to run it that we keep working: what each cannot do without, and what it may have besides.
#
#   voters  how many nodes may have the role "control-plane"
#   alone   whether there is no other node
let
  controlPlane = [ "chainfire" "flaredb" "iam" "prismnet" "plasmavmc" "apigateway" ];
  hypervisor = [ "prismnet-agent" "plasmavmc-agent" ];
  tenants = [ "flashdns" "fiberlb" "coronafs" "lightningstor" "k8shost" "nightlight" "creditservice" ];
in
{
  single-node-dev = {
    title = "single-node dev";
    about = "one machine is all of it; services listen on loopback, and it makes its own certificates";
    required = controlPlane ++ hypervisor;
    optional = tenants;
    voters = [ 1 ];
    alone = true;
  };
  ha-control-plane = {
    title = "3-node HA control plane";
    about = "three machines keep the same data, and any one may fail; iam and plasmavmc run on the first of them";
    required = controlPlane;
    optional = hypervisor ++ tenants;
    voters = [ 3 5 ];
  };
  bare-metal-bootstrap = {
    title = "bare-metal bootstrap";
    about = "machines with blank disks start from the network or an ISO and become nodes";
    required = controlPlane ++ hypervisor ++ [ "deployer" "nodeagent" "nixagent" ];
    optional = tenants ++ [ "fleetscheduler" ];
    voters = [ 1 3 5 ];
  };
}

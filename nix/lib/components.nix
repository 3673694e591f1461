# What the cloud is made of, and on which nodes each part runs. `waitsFor` says why a part cannot be switched on yet.
#
#   role    the role of the nodes it runs on
#   single  runs on one of them only
{
  chainfire = { role = "control-plane"; about = "coordination"; };
  flaredb = { role = "control-plane"; about = "metadata of every tenant object"; };
  iam = { role = "control-plane"; single = true; about = "identity and policy"; };
  prismnet = { role = "control-plane"; about = "tenant networks"; };
  plasmavmc = { role = "control-plane"; single = true; about = "virtual machines"; };
  apigateway = { role = "control-plane"; about = "REST front door"; };
  prismnet-agent = { role = "compute"; about = "networks of a host"; };
  plasmavmc-agent = { role = "compute"; about = "virtual machines of a host"; };

  flashdns = { role = "control-plane"; about = "names"; waitsFor = "the service"; };
  fiberlb = { role = "control-plane"; about = "load balancers"; waitsFor = "the service"; };
  coronafs = { role = "compute"; about = "volumes"; waitsFor = "the service"; };
  lightningstor = { role = "control-plane"; about = "objects"; waitsFor = "the service"; };
  k8shost = { role = "control-plane"; about = "pods"; waitsFor = "the service"; };
  nightlight = { role = "control-plane"; about = "metrics"; waitsFor = "the service"; };
  creditservice = { role = "control-plane"; about = "quotas and wallets"; waitsFor = "the service"; };
  deployer = { role = "control-plane"; about = "machines that join"; waitsFor = "the service"; };
  fleetscheduler = { role = "control-plane"; about = "where host services run"; waitsFor = "the service"; };
  nodeagent = { role = "compute"; about = "host services of a node"; waitsFor = "the service"; };
  nixagent = { role = "compute"; about = "a node's system"; waitsFor = "the service"; };
}

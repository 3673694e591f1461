# Every module of ours: each service's, which stands beside its code, and the one that makes a cluster of them.
{
  chainfire = ../chainfire/module.nix;
  flaredb = ../flaredb/module.nix;
  iam = ../iam/module.nix;
  prismnet = ../prismnet/module.nix;
  plasmavmc = ../plasmavmc/module.nix;
  apigateway = ../apigateway/module.nix;
  cluster = ./cluster.nix;
}

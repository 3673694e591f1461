# Where each process listens in a cluster; chainfire's are etcd's.
{
  chainfire = 2379;
  chainfire-peers = 2380;
  flaredb = 7002;
  iam = 7003;
  prismnet = 7004;
  plasmavmc = 7005;
  # Consoles of guests, which the server asks the host for.
  plasmavmc-agent = 7006;
}

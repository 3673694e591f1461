"""Tenant networks: VPC, subnet, port, security group; and their host agent."""

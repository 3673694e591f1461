"""Development commands; `./dev` runs them."""

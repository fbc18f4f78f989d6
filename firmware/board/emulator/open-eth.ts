// The module `chainmote/emulator/open-eth` of an image for Espressif's QEMU: its Ethernet (open-eth.c).

/** Starts it, and DHCP with it; once is enough. Throws where it does not start. */
export function start(this: unknown): undefined {
  return native<undefined>("xs_chainmote_open_eth_start").call(this);
}

/** The address that DHCP gave, as text. */
export function address(this: unknown): string | undefined {
  return native<string | undefined>("xs_chainmote_open_eth_address").call(this);
}

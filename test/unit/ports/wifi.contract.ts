// What every Wi-Fi port (firmware/ports.ts, ECMA-419 network interface) must do.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BoardNetwork, WiFi } from "../../../firmware/ports.js";

export interface WiFiWorld {
  readonly wifi: BoardNetwork["wifi"];
  /** The access point goes, and comes back. */
  setAccessPoint(present: boolean): void;
  /** Lets time pass. */
  pass(durationMs: number): Promise<void>;
  readonly ssid: string;
  readonly password: string;
}

export function wifiContract(title: string, make: () => WiFiWorld): void {
  const test = suite(`wifi contract: ${title}`);

  function opened(world: WiFiWorld): { wifi: WiFi; heard: [string, string | undefined][] } {
    const heard: [string, string | undefined][] = [];
    const wifi: WiFi = new world.wifi.io({ onChanged: (property) => heard.push([property, wifi.address]) });
    return { wifi, heard };
  }

  test("has an address after connect, tells of it, and not from inside connect", async () => {
    const world = make();
    const { wifi, heard } = opened(world);
    assert.is(wifi.address, undefined);
    wifi.connect({ SSID: world.ssid, password: world.password });
    assert.is(heard.length, 0);
    await world.pass(500);
    assert.match(wifi.address ?? "", /^\d+\.\d+\.\d+\.\d+$/);
    const told = heard.find(([property]) => property === "address");
    assert.is(told?.[1], wifi.address);
    wifi.close();
  });

  test("a wrong password never gives an address, and another attempt is possible after", async () => {
    const world = make();
    const { wifi, heard } = opened(world);
    wifi.connect({ SSID: world.ssid, password: "wrong" });
    assert.is(wifi.connection, 300);
    await world.pass(1000);
    assert.is(wifi.address, undefined);
    assert.equal(heard, [["connection", undefined]], "it is told that the attempt is over");
    assert.is(wifi.connection, 200);
    wifi.connect({ SSID: world.ssid, password: world.password });
    await world.pass(500);
    assert.type(wifi.address, "string");
    wifi.close();
  });

  test("an access point that goes takes the address, which is told; it does not come back by itself", async () => {
    const world = make();
    const { wifi, heard } = opened(world);
    wifi.connect({ SSID: world.ssid, password: world.password });
    await world.pass(500);
    heard.length = 0;
    world.setAccessPoint(false);
    await world.pass(100);
    assert.is(wifi.address, undefined);
    assert.ok(heard.length > 0);
    world.setAccessPoint(true);
    await world.pass(1000);
    assert.is(wifi.address, undefined);
    wifi.connect({ SSID: world.ssid, password: world.password });
    await world.pass(500);
    assert.type(wifi.address, "string");
    wifi.close();
  });

  test("disconnect gives the address up; close ends the callbacks", async () => {
    const world = make();
    const { wifi, heard } = opened(world);
    wifi.connect({ SSID: world.ssid, password: world.password });
    await world.pass(500);
    assert.is(wifi.connection, 500);
    wifi.disconnect();
    assert.is(wifi.connection, 200);
    await world.pass(100); // the address stays for a moment
    assert.is(wifi.address, undefined);
    wifi.connect({ SSID: world.ssid, password: world.password });
    assert.is(wifi.connection, 300);
    wifi.close();
    heard.length = 0;
    await world.pass(500);
    assert.is(heard.length, 0);
  });

  test.run();
}

import { assertEquals, assertThrows } from "@std/assert";
import { createAddressReader, remoteAddressOf } from "../../src/access/address.ts";

function read(
  remote: string | undefined,
  forwarded?: string,
  trusted: readonly string[] = [],
): string | undefined {
  const addressOf = createAddressReader(trusted, () => {});
  return addressOf(
    remote,
    new Headers(forwarded === undefined ? {} : { "x-forwarded-for": forwarded }),
  );
}

Deno.test("an address counts as it is, an IPv6 one by its /64", () => {
  const keys = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::9", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["2001:DB8:01:0002::", "2001:db8:1:2::/64"],
    ["1:2:3:4:5:6:192.0.2.1", "1:2:3:4::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["no address", "no address"],
  ];
  for (const [remote, key] of keys) assertEquals(read(remote), key);
  assertEquals(read(undefined, "192.0.2.1"), undefined);
});

Deno.test("X-Forwarded-For counts only from proxies that are trusted, from the right", () => {
  assertEquals(read("192.0.2.9", "198.51.100.7"), "192.0.2.9");
  const proxies = ["10.0.0.0/8", "2001:db8::1"];
  const cases = [
    ["192.0.2.9", "198.51.100.7", "192.0.2.9"],
    ["10.0.0.1", "198.51.100.7", "198.51.100.7"],
    ["10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"],
    ["10.0.0.1", "6.6.6.6, 198.51.100.7,10.2.3.4", "198.51.100.7"],
    ["10.0.0.1", "10.9.9.9, 10.2.3.4", "10.9.9.9"],
    ["::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"],
    ["2001:db8::1", "2001:db8:7::5", "2001:db8:7:0::/64"],
    ["10.0.0.1", "198.51.100.7:4711", "198.51.100.7"],
    ["10.0.0.1", "[2001:db8:7::5]:4711", "2001:db8:7:0::/64"],
    ["10.0.0.1", "198.51.100.7, nonsense", "10.0.0.1"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", ",,", "10.0.0.1"],
  ] as const;
  for (const [remote, forwarded, client] of cases) {
    assertEquals(read(remote, forwarded, proxies), client, forwarded);
  }
});

Deno.test("a range of IPv6 addresses contains no IPv4 address, unless it is of mapped ones", () => {
  assertEquals(read("10.0.0.1", "198.51.100.7", ["::/0"]), "10.0.0.1");
  assertEquals(read("10.0.0.1", "198.51.100.7", ["::ffff:10.0.0.0/104"]), "198.51.100.7");
  assertEquals(read("11.0.0.1", "198.51.100.7", ["::ffff:10.0.0.0/104"]), "11.0.0.1");
  assertEquals(read("10.0.0.1", "198.51.100.7", ["0.0.0.0/0"]), "198.51.100.7");
  assertEquals(read("::1", "198.51.100.7", ["0.0.0.0/0"]), "0:0:0:0::/64");
});

Deno.test("a proxy that is not trusted is told once", () => {
  const told: string[] = [];
  const addressOf = createAddressReader([], (proxy) => told.push(proxy));
  addressOf("10.0.0.1", new Headers());
  for (let n = 0; n < 3; n++) addressOf("10.0.0.1", new Headers({ "x-forwarded-for": "6.6.6.6" }));
  assertEquals(told, ["10.0.0.1"]);
});

Deno.test("createAddressReader() takes addresses and ranges alone", () => {
  for (
    const text of [
      "",
      "10",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "::1.2.3",
      "010.0.0.1",
      "fe80::1%eth0",
      "10.0.0.0/33",
      "::1/129",
      "proxy",
      "10.0.0.0/8/8",
      "300.1.1.1",
    ]
  ) {
    assertThrows(() => createAddressReader([text], () => {}), TypeError, "trusted proxy");
  }
});

Deno.test("remoteAddressOf() finds the address in what a host passes along, or nothing", () => {
  assertEquals(remoteAddressOf({ remoteAddr: { hostname: "192.0.2.1", port: 1 } }), "192.0.2.1");
  for (const info of [undefined, null, {}, { remoteAddr: {} }, { remoteAddr: { path: "/x" } }, 5]) {
    assertEquals(remoteAddressOf(info), undefined);
  }
});

// Modules and globals of the Moddable SDK 8.2 that @moddable/typings 5.6.0 does not declare. For the editor and for
// `npm run check`: a build with the SDK takes the SDK's own typings instead.
// (`native` is declared in crypto/native/native.d.ts.)

declare module "embedded:storage/flash" {
  export interface Flash {
    status(): { size: number; blockLength: number; blocks: number };
    read(byteLength: number, byteOffset: number): ArrayBuffer;
    read(buffer: ArrayBuffer | Uint8Array, byteOffset: number): number;
    write(buffer: ArrayBuffer | Uint8Array, byteOffset: number): void;
    eraseBlock(start: number, end?: number): void;
    close(): void;
  }
  const FlashStorage: { open(options: { path: string; mode?: "r" | "r+" }): Flash };
  export default FlashStorage;
}

declare module "embedded:storage/key-value" {
  export interface Storage {
    read(key: string): ArrayBuffer | string | number | bigint | undefined;
    write(key: string, value: ArrayBuffer | Uint8Array | string | number | bigint): void;
    delete(key: string): void;
    close(): void;
  }
  const KeyValueStorage: { open(options: { path: string; format?: string; mode?: "r" | "r+" }): Storage };
  export default KeyValueStorage;
}

declare module "embedded:network/interface/wifi" {
  export interface WiFiConstructorOptions {
    onChanged?: (property: "connection" | "address") => void;
  }
  export default class WiFi {
    constructor(options: WiFiConstructorOptions);
    connect(options: { SSID: string; password?: string }): void;
    disconnect(): void;
    close(): void;
    readonly connection: number;
    readonly address: string | undefined;
    readonly SSID: string | undefined;
  }
}

declare module "embedded:network/interface/ethernet" {
  export default class Ethernet {
    constructor(options: { onChanged?: (property: "connection" | "address") => void });
    connect(): void;
    disconnect(): void;
    close(): void;
    readonly connection: number;
    readonly address: string | undefined;
  }
}

declare module "embedded:network/ntp/client" {
  export default class NTP {
    constructor(options: {
      servers: string[];
      dns: { io: unknown; [option: string]: unknown };
      socket: { io: unknown; [option: string]: unknown };
    });
    getTime(callback: (error: Error | null, time?: number) => void): void;
    close(): void;
  }
}

// Nine of the SDK's own drivers through the adapter, and each of our types of sensor: compiled and linked by npm run check:sdk. Each as an
// application would name it: the class, and where its humidity is not the standard's ratio or its units are not the standard's, that.

import Analog from "embedded:io/analog";
import Digital from "embedded:io/digital";
import PulseCount from "embedded:io/pulsecount";
import SMBus from "embedded:io/smbus";
import BMP180 from "embedded:sensor/Barometer-Temperature/BMP180";
import BMP280 from "embedded:sensor/Barometer-Temperature/BMP280";
import AHT10 from "embedded:sensor/Humidity-Temperature/AHT10";
import AM2320 from "embedded:sensor/Humidity-Temperature/AM2320";
import HTU21D from "embedded:sensor/Humidity-Temperature/HTU21D";
import SHTC3 from "embedded:sensor/Humidity-Temperature/SHTC3";
import SI7020 from "embedded:sensor/Humidity-Temperature/SI7020";
import NTC from "embedded:sensor/Temperature/NTC_Thermistor";
import TMP117 from "embedded:sensor/Temperature/TMP117";
import { configuration, createDevice } from "chainmote/board/provider";
import { engine } from "chainmote/crypto";
import { Mote, parseConfig, Rejection } from "chainmote/index";
import { analogue } from "chainmote/sensor/analogue/analogue";
import { bme280 } from "chainmote/sensor/bme280/bme280";
import { contact } from "chainmote/sensor/contact/contact";
import { ecma419 } from "chainmote/sensor/ecma419/ecma419";
import { pulses } from "chainmote/sensor/pulses/pulses";
import { sht3x } from "chainmote/sensor/sht3x/sht3x";

const sensors = [
  ...[sht3x, bme280, analogue, pulses, contact],
  ecma419({ type: "am2320", driver: AM2320, humidity: "percent" }),
  ecma419({ type: "aht10", driver: AHT10, humidity: "percent" }),
  ecma419({ type: "htu21d", driver: HTU21D, humidity: "percent" }),
  ecma419({ type: "si7020", driver: SI7020, humidity: "percent" }),
  ecma419({ type: "shtc3", driver: SHTC3, humidity: "percent" }),
  ecma419({ type: "bmp180", driver: BMP180 }),
  ecma419({ type: "bmp280", driver: BMP280 }),
  ecma419({ type: "tmp117", driver: TMP117, io: SMBus }),
  ecma419({ type: "ntc", driver: NTC, io: Analog }),
];

const device = createDevice({ analog: Analog, digital: Digital, pulsecount: PulseCount });
const config = parseConfig(configuration);
const mote = config instanceof Rejection ? config : Mote.open({ device, engine, config, sensors });
if (mote instanceof Rejection) device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
else mote.run();

// What the properties of ECMA-419 sample objects are in SenML: one table, the names of the standard's sensor classes on the left (ECMA-419,
// 3rd edition, section 17), names and units of ours on the right. Units are of the IANA SenML Units registry, primary or secondary (RFC 8428, RFC 8798).
//
// Promises: a factor turns the standard's unit into the registry's. Never: a unit that the registry has not got: such properties
// are named in the configuration, or not recorded.

export interface Quantity {
  readonly name: string;
  readonly unit?: string;
  /** Digits after the point that are recorded. */
  readonly decimals: number;
  /** By what the driver's value is multiplied. */
  readonly factor: number;
}

const of = (name: string, unit: string, decimals: number, factor = 1): Quantity =>
  Object.freeze({ name, unit, decimals, factor });

/** By `class.property`; a flat sample is looked up by the property alone. */
export const QUANTITIES: Readonly<Record<string, Quantity>> = Object.freeze({
  "thermometer.temperature": of("temperature", "Cel", 2),
  "hygrometer.humidity": of("humidity", "%RH", 2, 100), // the standard's is a ratio
  "barometer.pressure": of("pressure", "Pa", 0),
  "lightmeter.illuminance": of("illuminance", "lx", 1),
  "ambientLight.illuminance": of("illuminance", "lx", 1),
  "accelerometer.x": of("acceleration/x", "m/s2", 3),
  "accelerometer.y": of("acceleration/y", "m/s2", 3),
  "accelerometer.z": of("acceleration/z", "m/s2", 3),
  "gyroscope.x": of("rotation/x", "rad/s", 4),
  "gyroscope.y": of("rotation/y", "rad/s", 4),
  "gyroscope.z": of("rotation/z", "rad/s", 4),
  "magnetometer.x": of("field/x", "T", 9, 1e-6), // the standard's is microtesla
  "magnetometer.y": of("field/y", "T", 9, 1e-6),
  "magnetometer.z": of("field/z", "T", 9, 1e-6),
  "proximity.distance": of("distance", "m", 4, 0.01), // the standard's is centimetres
  "soilMoisture.moisture": of("moisture", "/", 4),
  "carbonDioxide.CO2": of("co2", "ppm", 0),
  "carbonMonoxide.CO": of("co", "ppm", 2),
  "oxygen.O": of("oxygen", "ppm", 0),
  "methane.CH4": of("methane", "ppm", 2),
  "nitricOxide.NO": of("no", "ppm", 3),
  "nitricDioxide.NO2": of("no2", "ppm", 3),
  "hydrogen.H": of("hydrogen", "ppm", 2),
  "hydrogenSulfide.HS": of("h2s", "ppm", 3),
  "volatileOrganicCompounds.tvoc": of("tvoc", "ppm", 3, 0.001), // the standard's is parts per billion
  "gasDetector.CO2": of("co2", "ppm", 0),
  "gasDetector.tvoc": of("tvoc", "ppm", 3, 0.001),
  "voltmeter.voltage": of("voltage", "V", 3),
  "ammeter.current": of("current", "A", 3),
  "wattmeter.power": of("power", "W", 2),
});

/** The quantity of a property, `class.property`, or of a property without a class; undefined where the table has none, or several. */
export function quantityOf(path: string): Quantity | undefined {
  if (path.includes(".")) return QUANTITIES[path];
  for (const key in QUANTITIES) if (key.slice(key.indexOf(".") + 1) === path && !AXES.includes(path)) return QUANTITIES[key];
  return undefined;
}

/** Acceleration, rotation and field have them all: without a class they mean nothing. */
const AXES: readonly string[] = Object.freeze(["x", "y", "z"]);

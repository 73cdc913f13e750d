/** An airport of the generated flights. */
export interface LoadAirport {
  /** IATA code. */
  readonly code: string;
  readonly latitude: number;
  readonly longitude: number;
  /** Standard time, hours from UTC; generated flights know no daylight saving time. */
  readonly utcHours: number;
}

function airport(code: string, latitude: number, longitude: number, utcHours: number): LoadAirport {
  return { code, latitude, longitude, utcHours };
}

/** Thirty large airports of the United States. */
export const loadAirports: readonly LoadAirport[] = [
  airport("ATL", 33.64, -84.43, -5),
  airport("BOS", 42.36, -71.01, -5),
  airport("BWI", 39.18, -76.67, -5),
  airport("CLE", 41.41, -81.85, -5),
  airport("CLT", 35.21, -80.94, -5),
  airport("CVG", 39.05, -84.66, -5),
  airport("DCA", 38.85, -77.04, -5),
  airport("DEN", 39.86, -104.67, -7),
  airport("DFW", 32.9, -97.04, -6),
  airport("DTW", 42.21, -83.35, -5),
  airport("EWR", 40.69, -74.17, -5),
  airport("IAH", 29.98, -95.34, -6),
  airport("JFK", 40.64, -73.78, -5),
  airport("LAS", 36.08, -115.15, -8),
  airport("LAX", 33.94, -118.41, -8),
  airport("LGA", 40.78, -73.87, -5),
  airport("MCI", 39.3, -94.71, -6),
  airport("MCO", 28.43, -81.32, -5),
  airport("MIA", 25.79, -80.29, -5),
  airport("MSP", 44.88, -93.22, -6),
  airport("OAK", 37.72, -122.22, -8),
  airport("ORD", 41.98, -87.9, -6),
  airport("PDX", 45.59, -122.6, -8),
  airport("PHL", 39.87, -75.24, -5),
  airport("PHX", 33.43, -112.01, -7),
  airport("PIT", 40.49, -80.23, -5),
  airport("SEA", 47.45, -122.31, -8),
  airport("SFO", 37.62, -122.37, -8),
  airport("SLC", 40.79, -111.98, -7),
  airport("STL", 38.75, -90.37, -6),
];

const earthRadiusMiles = 3958.8;

/** Great-circle distance, whole miles. */
export function distanceMiles(a: LoadAirport, b: LoadAirport): number {
  const radians = Math.PI / 180;
  const [latitudeA, latitudeB] = [a.latitude * radians, b.latitude * radians];
  const high = Math.sin((latitudeB - latitudeA) / 2);
  const wide = Math.sin(((b.longitude - a.longitude) * radians) / 2);
  const chord = high * high + Math.cos(latitudeA) * Math.cos(latitudeB) * wide * wide;
  return Math.round(2 * earthRadiusMiles * Math.asin(Math.sqrt(chord)));
}

/// How far two positions lie apart on the globe.
import RealModule

/// Great-circle distances on a sphere, good to 0.5 % of the ellipsoid's: enough for judging speeds and sorting
/// neighbours.
public enum Distance {
    /// The mean Earth radius in metres (IUGG R₁).
    static let earthRadius = 6_371_008.8
    /// Metres in 10⁻⁷ degrees of latitude on that sphere.
    static let metresPerDegree7 = earthRadius * Double.pi / 180 / 1e7

    /// Metres between two positions in 10⁻⁷ degrees, by the haversine formula; right across the antimeridian and at
    /// the poles.
    public static func metres(
        _ latitudeA: Degrees7, _ longitudeA: Degrees7, _ latitudeB: Degrees7, _ longitudeB: Degrees7
    ) -> Double {
        let radians = Double.pi / 180 / 1e7
        let phiA = Double(latitudeA) * radians
        let phiB = Double(latitudeB) * radians
        let halfLatitude = (phiB - phiA) / 2
        let halfLongitude = Double(Int64(longitudeB) - Int64(longitudeA)) * radians / 2
        let sineLatitude = Double.sin(halfLatitude)
        let sineLongitude = Double.sin(halfLongitude)
        let haversine =
            sineLatitude * sineLatitude + Double.cos(phiA) * Double.cos(phiB) * sineLongitude * sineLongitude
        return 2 * earthRadius * Double.asin(min(1, max(0, haversine).squareRoot()))
    }

    /// An upper bound of `metres` without trigonometry: along the meridian, then along the equator.
    @inline(__always)
    static func upperBound(
        _ latitudeA: Degrees7, _ longitudeA: Degrees7, _ latitudeB: Degrees7, _ longitudeB: Degrees7
    ) -> Double {
        let latitudes = abs(Int64(latitudeA) - Int64(latitudeB))
        var longitudes = abs(Int64(longitudeA) - Int64(longitudeB))
        if longitudes > 1_800_000_000 { longitudes = 3_600_000_000 - longitudes }
        return Double(latitudes + longitudes) * metresPerDegree7
    }
}

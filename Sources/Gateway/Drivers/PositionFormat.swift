/// How live positions are asked for over HTTP: native JSON or GeoJSON, and how near is near.
import EventLoop
import Tracking
import WebServer

/// The form of an answer with positions: `format=json|geojson`, else what `Accept` prefers by naming it.
enum PositionFormat: String {
    case json, geojson

    /// Nil where `format` names another.
    init?(_ request: WebRequest) {
        if let name = request.query("format") {
            self.init(rawValue: name)
        } else {
            let accepted = request.headers["accept"]?.lowercased() ?? ""
            self = accepted.contains(GeoJSONPositions.mediaType) ? .geojson : .json
        }
    }

    static var problem: WebResponse {
        Problem.response(400, "bad_request", "format is json or geojson")
    }

    /// What stands before the first driver of a list; `]}` stands behind the last.
    func begin(_ writer: inout JSONWriter) {
        let now = SystemClock.wallMicroseconds() / 1_000
        switch self {
        case .json: writer.raw("{\"now\":\(now),\"drivers\":[")
        // A foreign member (RFC 7946, section 6.1).
        case .geojson: writer.raw("{\"type\":\"FeatureCollection\",\"now\":\(now),\"features\":[")
        }
    }

    /// Appends a driver's position on a grid of `precision` metres; false, with nothing appended, where none is known.
    func append(
        _ driver: DriverIndex, _ pipeline: Pipeline, _ precision: Int32, distance: Double?, to writer: inout JSONWriter
    ) -> Bool {
        switch self {
        case .json:
            guard pipeline.fanout.appendPosition(of: driver, pipeline.drivers, precision: precision, to: &writer) else {
                return false
            }
            guard let distance else { return true }
            writer.bytes.removeLast()
            writer.raw(",\"distance_m\":")
            writer.fixed(Int64((distance * 10).rounded()), decimals: 1)
            writer.raw("}")
        case .geojson:
            guard let position = pipeline.fanout.position(of: driver) else { return false }
            GeoJSONPositions.append(
                pipeline.drivers.id(of: driver), position.coarsened(to: precision), distance: distance, to: &writer)
        }
        return true
    }

    /// The answer, which no cache keeps.
    func response(_ body: [UInt8]) -> WebResponse {
        let type = self == .json ? "application/json" : GeoJSONPositions.mediaType
        return WebResponse(type: type, body: body, headers: [("Cache-Control", "no-store")])
    }
}

/// From how far to how far around a point: `min_distance_m` and `max_distance_m`, both included, as MongoDB's `$near` has
/// them. `radius_m` is another name of the greater one.
struct DistanceRange {
    /// Half the Earth's circumference lies below it.
    private static let farthest = 21_000_000.0
    private static let usual = 2_000.0

    let least: Double
    let most: Double

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    static func of(_ request: WebRequest) -> Result<DistanceRange, Problem> {
        guard request.query("radius_m") == nil || request.query("max_distance_m") == nil else {
            return .failure(Problem(description: "radius_m and max_distance_m are the same: send one of them"))
        }
        let name = request.query("radius_m") == nil ? "max_distance_m" : "radius_m"
        guard let most = request.query(name).map({ Double($0) }) ?? usual, most > 0, most <= farthest else {
            return .failure(Problem(description: "\(name) is a number of metres above 0"))
        }
        guard let least = request.query("min_distance_m").map({ Double($0) }) ?? 0, least >= 0, least <= most else {
            return .failure(Problem(description: "min_distance_m is a number of metres from 0 to \(name)"))
        }
        return .success(DistanceRange(least: least, most: most))
    }

    func contains(_ metres: Double) -> Bool { least <= metres && metres <= most }
}

/// `GET /v1/drivers/{id}/position` and `GET /v1/drivers?near=…|area=…`.
import EventLoop
import Tracking
import WebServer

/// The routes about live positions.
struct DriverRoutes {
    /// Rows in an answer unless asked otherwise, and at the most.
    private static let defaultLimit = 100
    private static let maximumLimit = 10_000

    unowned let gateway: Gateway

    /// The newest position of a driver, or 404.
    func position(of id: DriverID, on connection: WebConnection) {
        gateway.directory.load([id]) {
            let pipeline = gateway.pipeline
            var writer = JSONWriter()
            guard let driver = pipeline.drivers.index(of: id),
                pipeline.fanout.appendPosition(of: driver, pipeline.drivers, to: &writer)
            else {
                return connection.respond(Problem.response(404, "not_found", "no position of this driver is known"))
            }
            connection.respond(
                WebResponse(type: "application/json", body: writer.bytes, headers: [("Cache-Control", "no-store")]))
        }
    }

    /// Drivers near a point, nearest first, or within a box; those that were heard of within `live.offline_s`.
    func list(_ request: WebRequest) -> WebResponse {
        let limit = request.query("limit").map { Int($0) } ?? Self.defaultLimit
        guard let limit, (1...Self.maximumLimit).contains(limit) else {
            return Problem.response(400, "bad_request", "limit is a number from 1 to \(Self.maximumLimit)")
        }
        if let near = request.query("near") {
            guard let point = Self.numbers(near, 2), abs(point[0]) <= 90, abs(point[1]) <= 180 else {
                return Problem.response(400, "bad_request", "near is lat,lng in degrees")
            }
            guard let radius = request.query("radius_m").map({ Double($0) }) ?? 2_000, radius > 0, radius <= 21_000_000
            else { return Problem.response(400, "bad_request", "radius_m is a number of metres above 0") }
            return answer(near: point, radius: radius, limit: limit)
        }
        if let area = request.query("area") {
            guard let box = Self.numbers(area, 4), box[0] <= box[2], abs(box[0]) <= 90, abs(box[2]) <= 90,
                abs(box[1]) <= 180, abs(box[3]) <= 180
            else { return Problem.response(400, "bad_request", "area is minLat,minLng,maxLat,maxLng in degrees") }
            return answer(in: box, limit: limit)
        }
        return Problem.response(400, "bad_request", "ask with near=lat,lng or area=minLat,minLng,maxLat,maxLng")
    }

    private func answer(near point: [Double], radius: Double, limit: Int) -> WebResponse {
        let latitude = Self.degrees7(point[0])
        let longitude = Self.degrees7(point[1])
        var found: [(distance: Double, driver: DriverIndex)] = []
        forEachCurrent { driver, position in
            let distance = Distance.metres(latitude, longitude, position.latitude, position.longitude)
            if distance <= radius { found.append((distance, driver)) }
        }
        found.sort { $0.distance < $1.distance }
        return response(found.prefix(limit).map { ($0.driver, $0.distance) })
    }

    private func answer(in box: [Double], limit: Int) -> WebResponse {
        let corners = box.map(Self.degrees7)
        var found: [(DriverIndex, Double?)] = []
        forEachCurrent { driver, position in
            guard found.count < limit, (corners[0]...corners[2]).contains(position.latitude) else { return }
            // A box whose west is east of its east spans the antimeridian.
            let isInside =
                corners[1] <= corners[3]
                ? (corners[1]...corners[3]).contains(position.longitude)
                : position.longitude >= corners[1] || position.longitude <= corners[3]
            if isInside { found.append((driver, nil)) }
        }
        return response(found)
    }

    private func forEachCurrent(_ body: (DriverIndex, Position) -> Void) {
        let deadline =
            SystemClock.wallMicroseconds() - Int64(gateway.configuration.liveOfflineSeconds) * 1_000_000
        let fanout = gateway.pipeline.fanout
        for driver in 0..<fanout.driverCount {
            if let position = fanout.position(of: driver), position.receivedAt >= deadline { body(driver, position) }
        }
    }

    private func response(_ found: [(DriverIndex, Double?)]) -> WebResponse {
        let pipeline = gateway.pipeline
        var writer = JSONWriter()
        writer.raw("{\"now\":\(SystemClock.wallMicroseconds() / 1_000),\"drivers\":[")
        for (offset, (driver, distance)) in found.enumerated() {
            if offset > 0 { writer.raw(",") }
            _ = pipeline.fanout.appendPosition(of: driver, pipeline.drivers, to: &writer)
            if let distance {
                writer.bytes.removeLast()
                writer.raw(",\"distance_m\":")
                writer.fixed(Int64((distance * 10).rounded()), decimals: 1)
                writer.raw("}")
            }
        }
        writer.raw("]}")
        return WebResponse(type: "application/json", body: writer.bytes, headers: [("Cache-Control", "no-store")])
    }

    private static func degrees7(_ degrees: Double) -> Degrees7 {
        Degrees7((degrees * 1e7).rounded())
    }

    private static func numbers(_ text: String, _ count: Int) -> [Double]? {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.count == count, numbers.allSatisfy({ $0?.isFinite == true }) else { return nil }
        return numbers.compactMap { $0 }
    }
}

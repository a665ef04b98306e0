/// `GET /v1/drivers/{id}/position` and `GET /v1/drivers?near=…|area=…|order=…|group=…`.
import EventLoop
import Tracking
import WebServer

/// The routes about live positions. A credential that is limited to subjects is answered with what lies within them.
struct DriverRoutes {
    /// Rows in an answer unless asked otherwise, and at the most.
    private static let defaultLimit = 100
    private static let maximumLimit = 10_000

    unowned let gateway: Gateway

    /// The newest position of a driver, or 404.
    func position(
        of id: DriverID, _ request: WebRequest, for credential: Credential, on connection: WebConnection
    ) {
        guard let format = PositionFormat(request) else { return connection.respond(PositionFormat.problem) }
        gateway.authorization.refused([.driver(id)], for: credential) { [gateway] refused in
            guard let refused else { return connection.respond(Self.cannotAsk) }
            guard refused.isEmpty else { return connection.respond(Self.forbidden) }
            gateway.directory.load([id]) {
                let pipeline = gateway.pipeline
                var writer = JSONWriter()
                guard let driver = pipeline.drivers.index(of: id),
                    format.append(driver, pipeline, credential.precisionMetres, distance: nil, to: &writer)
                else {
                    return connection.respond(
                        Problem.response(404, "not_found", "no position of this driver is known"))
                }
                connection.respond(format.response(writer.bytes))
            }
        }
    }

    /// Drivers near a point, nearest first, within a box, or of an order or group; by place only those that were heard
    /// of within `live.offline_s`.
    func list(_ request: WebRequest, for credential: Credential, on connection: WebConnection) {
        func refuse(_ detail: String) { connection.respond(Problem.response(400, "bad_request", detail)) }
        let limit = request.query("limit").map { Int($0) } ?? Self.defaultLimit
        guard let limit, (1...Self.maximumLimit).contains(limit) else {
            return refuse("limit is a number from 1 to \(Self.maximumLimit)")
        }
        guard let format = PositionFormat(request) else { return connection.respond(PositionFormat.problem) }
        let question = Question(credential: credential, limit: limit, format: format, connection: connection)
        if let near = request.query("near") {
            guard let point = Self.point(near) else { return refuse("near is lat,lng in degrees") }
            switch DistanceRange.of(request) {
            case .success(let range): return answer(question, near: point, range)
            case .failure(let problem): return refuse(problem.description)
            }
        }
        if let text = request.query("area") {
            guard let area = Area(text) else { return refuse("area is minLat,minLng,maxLat,maxLng in degrees") }
            return answer(question, in: area.box)
        }
        for kind in ["order", "group"] {
            guard let id = request.query(kind) else { continue }
            guard let subject = Subject("\(kind):\(id)") else { return refuse("\(kind) is not an id") }
            return answer(question, of: subject)
        }
        refuse("ask with near=lat,lng, area=minLat,minLng,maxLat,maxLng, order=ID or group=ID")
    }

    // MARK: Answers

    private struct Question {
        let credential: Credential
        let limit: Int
        let format: PositionFormat
        let connection: WebConnection
    }

    private typealias Found = (driver: DriverIndex, distance: Double?)

    private func answer(_ question: Question, near point: (Degrees7, Degrees7), _ range: DistanceRange) {
        var found: [(driver: DriverIndex, distance: Double)] = []
        forEachCurrent(for: question.credential) { driver, position in
            let distance = Distance.metres(point.0, point.1, position.latitude, position.longitude)
            if range.contains(distance) { found.append((driver, distance)) }
        }
        found.sort { $0.distance < $1.distance }
        answerWithin(question, found.map { ($0.driver, $0.distance) })
    }

    private func answer(_ question: Question, in box: Box) {
        var found: [Found] = []
        forEachCurrent(for: question.credential) { driver, position in
            if box.contains(latitude: position.latitude, longitude: position.longitude) { found.append((driver, nil)) }
        }
        answerWithin(question, found)
    }

    private func answer(_ question: Question, of subject: Subject) {
        gateway.authorization.refused([subject], for: question.credential) { [gateway] refused in
            guard let refused else { return question.connection.respond(Self.cannotAsk) }
            guard refused.isEmpty else { return question.connection.respond(Self.forbidden) }
            gateway.memberships.load([subject]) { isLoaded in
                let fanout = gateway.pipeline.fanout
                guard isLoaded, let topic = fanout.topic(subject) else {
                    return question.connection.respond(Self.cannotAsk)
                }
                respond(question, fanout.members(of: topic).map { ($0, nil) })
            }
        }
    }

    /// Calls `body` with positions as the credential sees them: a question must not find out more than a map shows.
    private func forEachCurrent(for credential: Credential, _ body: (DriverIndex, Position) -> Void) {
        let deadline =
            SystemClock.wallMicroseconds() - Int64(gateway.configuration.liveOfflineSeconds) * 1_000_000
        let fanout = gateway.pipeline.fanout
        for driver in 0..<fanout.driverCount {
            if let position = fanout.position(of: driver), position.receivedAt >= deadline {
                body(driver, position.coarsened(to: credential.precisionMetres))
            }
        }
    }

    // MARK: What a limited credential may see

    /// Answers with those of the found that lie within the credential's scope.
    private func answerWithin(_ question: Question, _ found: [Found]) {
        VisibleDrivers(gateway: gateway).among(found.map(\.driver), for: question.credential) { visible in
            guard let visible else { return question.connection.respond(Self.cannotAsk) }
            let shown = Set(visible)
            respond(question, found.filter { shown.contains($0.driver) })
        }
    }

    private func respond(_ question: Question, _ found: [Found]) {
        let pipeline = gateway.pipeline
        var writer = JSONWriter()
        question.format.begin(&writer)
        var isFirst = true
        for (driver, distance) in found.prefix(question.limit) {
            let start = writer.bytes.count
            if !isFirst { writer.raw(",") }
            guard
                question.format.append(
                    driver, pipeline, question.credential.precisionMetres, distance: distance, to: &writer)
            else {
                writer.bytes.removeLast(writer.bytes.count - start)
                continue
            }
            isFirst = false
        }
        writer.raw("]}")
        question.connection.respond(question.format.response(writer.bytes))
    }

    private static var cannotAsk: WebResponse {
        Problem.unavailable("Postgres cannot be asked who is meant; try again")
    }

    private static var forbidden: WebResponse {
        Problem.response(403, "forbidden", "this is not within the credential's subjects")
    }

    private static func point(_ text: String) -> (Degrees7, Degrees7)? {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.count == 2, let latitude = numbers[0], let longitude = numbers[1], abs(latitude) <= 90,
            abs(longitude) <= 180
        else { return nil }
        return (Degrees7((latitude * 1e7).rounded()), Degrees7((longitude * 1e7).rounded()))
    }
}

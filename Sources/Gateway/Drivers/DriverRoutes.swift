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
            gateway.directory.refresh([id]) {
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
            case .success(let range):
                return answer(question, .near(latitude: point.0, longitude: point.1, range))
            case .failure(let problem): return refuse(problem.description)
            }
        }
        if let text = request.query("area") {
            guard let area = Area(text) else { return refuse("area is minLat,minLng,maxLat,maxLng in degrees") }
            return answer(question, .area(area.box))
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

    private func answer(_ question: Question, _ place: PlaceQuestion.Place) {
        PlaceQuestion.ask(gateway, place, for: question.credential, limit: question.limit) { found in
            guard let found else { return question.connection.respond(Self.cannotAsk) }
            respond(question, found)
        }
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
                let members = fanout.members(of: topic)
                let drivers = gateway.pipeline.drivers
                gateway.directory.refresh(members.map { drivers.id(of: $0) }) {
                    // Who has left meanwhile is nobody's business any more.
                    let fanout = gateway.pipeline.fanout
                    respond(question, members.filter { fanout.isIn($0, topic) }.map { ($0, nil) })
                }
            }
        }
    }

    // MARK: Writing

    private func respond(_ question: Question, _ found: [PlaceQuestion.Found]) {
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

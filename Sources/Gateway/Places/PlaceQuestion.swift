/// `near` and `area`: who is there now, as the asker's credential sees them. Candidates come from the GEO set and from what
/// this process knows; the positions themselves decide.
import EventLoop
import Tracking

/// One question. A class, since its answer may take several looks.
final class PlaceQuestion {
    /// What is asked.
    enum Place {
        /// Nearest first.
        case near(latitude: Degrees7, longitude: Degrees7, DistanceRange)
        /// In the order of ids.
        case area(Box)
    }

    /// A driver, and how far he is from where was asked.
    typealias Found = (driver: DriverIndex, distance: Double?)

    /// The first circle that is looked through, in metres; each next one is four times as wide.
    private static let firstRadius = 500.0
    /// Candidates in the first portion; each next one is twice as many.
    private static let portion = 500

    private let gateway: Gateway
    private let credential: Credential
    private let limit: Int
    private let place: Place
    private let then: ([Found]?) -> Void
    private var candidates: [(member: GeoMember, distance: Double)] = []
    private var members: [GeoMember] = []
    /// The next candidate, and how many are looked at next.
    private var next = 0
    private var count = PlaceQuestion.portion
    private var found: [Found] = []
    /// How far is looked, in metres, where it is about a circle.
    private var radius = 0.0

    private init(
        _ gateway: Gateway, _ place: Place, for credential: Credential, limit: Int, then: @escaping ([Found]?) -> Void
    ) {
        self.gateway = gateway
        self.place = place
        self.credential = credential
        self.limit = limit
        self.then = then
    }

    /// `then` gets at most `limit` drivers; nil where Postgres would have to be asked who may be seen, and cannot be.
    static func ask(
        _ gateway: Gateway, _ place: Place, for credential: Credential, limit: Int, then: @escaping ([Found]?) -> Void
    ) {
        let question = PlaceQuestion(gateway, place, for: credential, limit: limit, then: then)
        guard case .near(_, _, let range) = place else { return question.look(within: .infinity) }
        // Alone, everybody is known: there is nothing to be saved by looking nearby first.
        let first = gateway.company.isAccompanied ? max(Self.firstRadius, 2 * range.least) : range.most
        question.look(within: min(range.most, first))
    }

    /// How far a driver may be from where he is shown.
    private var blur: Double {
        // A cell's diagonal, and some more.
        1.5 * Double(credential.precisionMetres)
    }

    // MARK: Candidates

    private func look(within metres: Double) {
        radius = metres
        let box: Box
        switch place {
        case .near(let latitude, let longitude, _):
            box = Box(latitude: latitude, longitude: longitude).widened(by: metres + blur)
        case .area(let area): box = credential.precisionMetres > 0 ? area.widened(by: blur) : area
        }
        gateway.places.find(in: box) { [self] found in
            members = found.members
            switch place {
            case .near(let latitude, let longitude, _):
                candidates = found.candidates.map {
                    ($0, Distance.metres(latitude, longitude, $0.latitude, $0.longitude))
                }
                candidates.sort { $0.distance < $1.distance }
            case .area:
                candidates = found.candidates.map { ($0, $0.id.string) }.sorted { $0.1 < $1.1 }.map { ($0.0, 0) }
            }
            next = 0
            count = max(Self.portion, 2 * limit)
            self.found = []
            goOn()
        }
    }

    /// Looks at the next portion of candidates, until those found are enough.
    private func goOn() {
        guard next < candidates.count, !isEnough else { return finish() }
        let portion = candidates[next..<min(next + count, candidates.count)].map(\.member.id)
        next += portion.count
        count *= 2
        gateway.directory.refresh(portion) { [self] in
            let pipeline = gateway.pipeline
            let inside = portion.compactMap { id in pipeline.drivers.index(of: id).flatMap(judge) }
            VisibleDrivers(gateway: gateway).among(inside.map(\.driver), for: credential) { [self] visible in
                guard let visible else { return then(nil) }
                let shown = Set(visible)
                found += inside.filter { shown.contains($0.driver) }
                sort()
                goOn()
            }
        }
    }

    /// By the position itself, on the credential's grid: a question must not find out more than a map shows.
    private func judge(_ driver: DriverIndex) -> Found? {
        guard let exact = gateway.pipeline.fanout.position(of: driver), exact.receivedAt >= gateway.places.deadline
        else { return nil }
        let position = exact.coarsened(to: credential.precisionMetres)
        switch place {
        case .near(let latitude, let longitude, let range):
            let distance = Distance.metres(latitude, longitude, position.latitude, position.longitude)
            return range.contains(distance) && distance <= radius ? (driver, distance) : nil
        case .area(let box):
            return box.contains(latitude: position.latitude, longitude: position.longitude) ? (driver, nil) : nil
        }
    }

    private func sort() {
        guard case .near = place else { return }
        let drivers = gateway.pipeline.drivers
        // Two at the same distance are in the order of ids, on every gateway.
        found.sort {
            $0.distance == $1.distance
                ? drivers.id(of: $0.driver).string < drivers.id(of: $1.driver).string
                : ($0.distance ?? 0) < ($1.distance ?? 0)
        }
    }

    /// Whether no candidate that was not looked at can come before the last that is answered.
    private var isEnough: Bool {
        guard found.count >= limit else { return false }
        guard case .near = place else { return true }
        return candidates[next].distance - blur - gateway.places.slack > (found[limit - 1].distance ?? 0)
    }

    private func finish() {
        gateway.places.prune(members)
        if case .near(_, _, let range) = place, found.count < limit, radius < range.most {
            return look(within: min(range.most, 4 * radius))
        }
        then(Array(found.prefix(limit)))
    }
}

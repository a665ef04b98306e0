/// Who carries the orders and belongs to the groups that viewers watch: read from Postgres when the first viewer comes,
/// followed as it changes here and on other gateways, and looked at again now and then in case the bus missed something.
import EventLoop
import Tracking
import WebServer

/// See the file's head. Lives on the loop's thread.
final class Memberships {
    /// Subjects in one question of the periodic look.
    private static let batch = 2_000
    /// How often a reading is made again because something changed meanwhile.
    private static let attempts = 5

    private unowned let gateway: Gateway
    /// Counts changes of the subjects that are known or being read: an answer from before a change is worth nothing.
    private var versions: [Subject: Int] = [:]
    /// Questions of the periodic look that are not answered yet, and whether another look is due when they are.
    private var looking = 0
    private var mustLookAgain = false

    init(gateway: Gateway) {
        self.gateway = gateway
        gateway.assignments.onChange = { [unowned self] subject, drivers in changed(subject, drivers) }
        gateway.assignments.onAnnouncement = { [unowned self] subject in announced(subject) }
        gateway.assignments.platform?.onChange = { [unowned self] in look() }
    }

    // MARK: Reading

    /// Opens the orders and groups among the subjects with their members; `then` hears whether that worked.
    func load(_ subjects: [Subject], attempt: Int = 1, then: @escaping (Bool) -> Void) {
        let missing = Array(Set(subjects.filter(isMissing)))
        guard !missing.isEmpty else { return then(true) }
        guard attempt <= Self.attempts else { return then(false) }
        for subject in missing { versions[subject, default: 0] += 0 }
        let asked = versions
        gateway.assignments.drivers(of: missing) { [self] answer in
            guard case .success(let found) = answer else { return then(false) }
            gateway.directory.load(found.values.flatMap(\.self)) { [self] in
                for (subject, drivers) in found where versions[subject] == asked[subject] {
                    open(subject, drivers)
                }
                load(subjects, attempt: attempt + 1, then: then)
            }
        }
    }

    private func isMissing(_ subject: Subject) -> Bool {
        switch subject {
        case .driver, .area: return false
        case .order, .group:
            let fanout = gateway.pipeline.fanout
            return fanout.topic(subject).map { !fanout.isLoaded($0) } ?? true
        }
    }

    private func open(_ subject: Subject, _ drivers: [DriverID]) {
        let now = SystemClock.wallMicroseconds()
        let pipeline = gateway.pipeline
        let topic = pipeline.fanout.openTopic(subject, now: now)
        _ = pipeline.fanout.setMembers(drivers.compactMap { pipeline.drivers.index(of: $0) }, of: topic, now: now)
    }

    // MARK: Following

    /// The subject has these drivers now. Who left is off its viewers' screens before this returns; who came follows once
    /// what the stores know of him is here.
    private func changed(_ subject: Subject, _ drivers: [DriverID]) {
        // Also where nobody watches the subject itself: a key that is limited to a group may watch one of its drivers.
        gateway.reauthorize(subject)
        guard let version = nextVersion(of: subject) else { return }
        let pipeline = gateway.pipeline
        guard let topic = pipeline.fanout.topic(subject), pipeline.fanout.isLoaded(topic) else { return }
        let known = drivers.compactMap { pipeline.drivers.index(of: $0) }
        _ = pipeline.fanout.keepMembers(known, of: topic, now: SystemClock.wallMicroseconds())
        gateway.directory.load(drivers) { [self] in
            guard versions[subject] == version, let topic = pipeline.fanout.topic(subject) else { return }
            let before = Set(pipeline.fanout.members(of: topic))
            let members = drivers.compactMap { pipeline.drivers.index(of: $0) }
            _ = pipeline.fanout.setMembers(members, of: topic, now: SystemClock.wallMicroseconds())
            if !before.isSuperset(of: members) { tellAssigned(subject, topic) }
            gateway.flushSoon()
        }
        gateway.flushSoon()
    }

    /// Another gateway has changed the subject.
    private func announced(_ subject: Subject) {
        guard let version = nextVersion(of: subject) else { return gateway.reauthorize(subject) }
        gateway.assignments.drivers(of: [subject]) { [self] answer in
            guard case .success(let found) = answer, versions[subject] == version, let drivers = found[subject]
            else { return }
            changed(subject, drivers)
        }
    }

    /// Nil where nobody here cares for the subject.
    private func nextVersion(of subject: Subject) -> Int? {
        guard let version = versions[subject] else { return nil }
        versions[subject] = version + 1
        return version + 1
    }

    private func tellAssigned(_ subject: Subject, _ topic: TopicIndex) {
        guard case .order = subject else { return }
        var writer = JSONWriter()
        writer.raw("{\"events\":[{\"type\":\"assigned\",\"subject\":")
        writer.string(subject.name)
        writer.raw(",\"at\":\(SystemClock.wallMicroseconds() / 1_000)}]}")
        for handle in gateway.pipeline.fanout.watchers(of: topic) {
            gateway.server?.withConnection(handle) { $0.sendQueued(text: writer.bytes) }
        }
    }

    // MARK: Looking again

    /// Reads all that is watched again. Called every `access.refresh_s`, when the bus is back, and when a platform's tables
    /// have changed: one look after the other, however often they do.
    func look() {
        guard looking == 0 else {
            mustLookAgain = true
            return
        }
        gateway.reauthorize(nil)
        let known = gateway.pipeline.fanout.assignableSubjects
        versions = versions.filter { gateway.pipeline.fanout.topic($0.key) != nil }
        for start in stride(from: 0, to: known.count, by: Self.batch) {
            let piece = Array(known[start..<min(start + Self.batch, known.count)])
            let asked = versions
            looking += 1
            gateway.assignments.drivers(of: piece) { [self] answer in
                if case .success(let found) = answer {
                    for (subject, drivers) in found where versions[subject] == asked[subject] {
                        if differs(subject, drivers) { changed(subject, drivers) }
                    }
                }
                lookEnded()
            }
        }
    }

    private func lookEnded() {
        looking -= 1
        guard looking == 0, mustLookAgain else { return }
        mustLookAgain = false
        look()
    }

    private func differs(_ subject: Subject, _ drivers: [DriverID]) -> Bool {
        let pipeline = gateway.pipeline
        guard let topic = pipeline.fanout.topic(subject), pipeline.fanout.isLoaded(topic) else { return false }
        return Set(pipeline.fanout.members(of: topic).map { pipeline.drivers.id(of: $0) }) != Set(drivers)
    }
}

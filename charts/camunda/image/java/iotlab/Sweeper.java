package iotlab;

import java.util.Date;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.operaton.bpm.engine.HistoryService;
import org.operaton.bpm.engine.ProcessEngine;
import org.operaton.bpm.engine.ProcessEngineException;
import org.operaton.bpm.engine.history.HistoricProcessInstance;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes what the doctor's canaries leave out of the history: nobody else's.
 *
 * <p>The engine does it, so that no app needs the right to delete what was, and nothing is written about the deleting itself.
 * The engine's own cleaning comes once a night; until then there would be a thousand instances that no student made.
 */
final class Sweeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Sweeper.class);
    private static final String CANARY = "LabCanary";
    private static final int EVERY_S = 5;
    private static final int SEEN_AFTER_S = 5; // whoever started it looks for it in the history at once
    private static final int AT_A_TIME = 200;

    private final HistoryService history;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();

    Sweeper(ProcessEngine engine) {
        history = engine.getHistoryService();
        thread.scheduleWithFixedDelay(this::sweep, EVERY_S, EVERY_S, TimeUnit.SECONDS);
    }

    private void sweep() {
        try {
            Date seen = new Date(System.currentTimeMillis() - TimeUnit.SECONDS.toMillis(SEEN_AFTER_S));
            history.createHistoricProcessInstanceQuery()
                    .processDefinitionKey(CANARY)
                    .finishedBefore(seen)
                    .listPage(0, AT_A_TIME)
                    .forEach(this::forget);
        } catch (ProcessEngineException failed) {
            LOG.warn("the doctor's instances stay in the history for now: {}", failed.toString());
        }
    }

    private void forget(HistoricProcessInstance instance) {
        history.createUserOperationLogQuery().processInstanceId(instance.getId()).list()
                .forEach(entry -> history.deleteUserOperationLogEntry(entry.getId()));
        history.deleteHistoricProcessInstance(instance.getId());
    }

    @Override
    public void close() {
        thread.shutdown();
    }
}

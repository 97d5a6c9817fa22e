package iotlab;

import jakarta.servlet.DispatcherType;
import java.util.EnumSet;
import javax.sql.DataSource;
import org.operaton.bpm.engine.ProcessEngine;
import org.operaton.bpm.engine.impl.cfg.ProcessEnginePlugin;
import org.operaton.connect.plugin.impl.ConnectProcessEnginePlugin;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.core.Ordered;

/** The engine with its REST API at /engine-rest and its pages at /camunda/. */
@SpringBootApplication
public class Engine {
    public static void main(String[] arguments) {
        SpringApplication.run(Engine.class, arguments);
    }

    @Bean
    static ProcessEnginePlugin connect() {
        return new ConnectProcessEnginePlugin();
    }

    @Bean
    static ProcessEnginePlugin accounts(@Value("${iotlab.users}") String users, @Value("${iotlab.secrets}") String secrets) {
        return Accounts.of(users, secrets);
    }

    @Bean(destroyMethod = "close")
    static Housekeeping housekeeping(DataSource database) {
        return new Housekeeping(database);
    }

    @Bean(destroyMethod = "close")
    static Sweeper sweeper(ProcessEngine engine) {
        return new Sweeper(engine);
    }

    /** First of all filters: what it does not let through reaches nothing. */
    @Bean
    static FilterRegistrationBean<Guard> guard(ProcessEngine engine) {
        FilterRegistrationBean<Guard> guard = new FilterRegistrationBean<>(new Guard(engine));
        guard.addUrlPatterns("/*");
        guard.setDispatcherTypes(EnumSet.of(DispatcherType.REQUEST));
        guard.setOrder(Ordered.HIGHEST_PRECEDENCE);
        return guard;
    }
}
